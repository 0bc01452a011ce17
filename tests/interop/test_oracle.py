"""npm oidc-provider, certified by the OpenID Foundation, is asked what we are asked. Where we differ, the standard decides.

Each case of corpus.py is sent to both. The same outcome is expected (status, error, where it leads, headers of note), or
the two that stand in DIFFERENCES with what decides: a difference that goes away fails as well.
"""

from __future__ import annotations

import pytest

from tests.fixtures.oracle import Side, ours, outcome, theirs
from tests.interop.corpus import CASES

__all__ = ["ours", "theirs"]

pytestmark = pytest.mark.interop

_CLIENT = "303 to the client: "
_DENIED = "401 invalid_client Basic"

ROWS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    # Authorization requests.
    (
        (
            "authorize: response_type token",
            "authorize: response_type id_token",
            "authorize: response_type code id_token",
        ),
        _CLIENT + "unsupported_response_type",
        _CLIENT + "unsupported_response_type in the fragment",
        "Multiple Response Type Encoding Practices section 2.1 has the fragment for them; we have no such type and no fragment (RFC 9700 section 2.1.2)",
    ),
    (
        ("authorize: response_mode fragment",),
        _CLIENT + "invalid_request",
        _CLIENT + "login_required in the fragment",
        "not advertised: an unsupported value is invalid_request (RFC 6749 section 4.1.2.1)",
    ),
    (
        ("authorize: response_mode form_post",),
        "200 page",
        "400 page",
        "OAuth 2.0 Form Post Response Mode section 2 names no status; a page that the browser is to submit is a success",
    ),
    (
        ("authorize: an unknown response_mode",),
        _CLIENT + "invalid_request",
        _CLIENT + "unsupported_response_mode",
        "RFC 6749 section 4.1.2.1; the other code is not registered",
    ),
    (
        ("authorize: no scope", "authorize: unknown scopes alone"),
        _CLIENT + "invalid_scope",
        _CLIENT + "invalid_request",
        "RFC 6749 sections 3.3 and 4.1.2.1",
    ),
    (
        ("authorize: scope without openid",),
        "login page",
        _CLIENT + "invalid_request",
        "OpenID Connect Core section 3.1.2.1 leaves it open; it is an OAuth request",
    ),
    (
        ("authorize: an id_token_hint that is none",),
        _CLIENT + "login_required",
        _CLIENT + "invalid_request",
        "OpenID Connect Core section 3.1.2.1: login_required unless the hint names who is logged in",
    ),
    (
        ("authorize: request_uri to elsewhere",),
        "400 page",
        _CLIENT + "request_uri_not_supported",
        "RFC 9101 section 6.3: a redirect_uri beside a request object does not count, so no address is proven",
    ),
    (
        ("authorize: request_uri that was never given",),
        "400 page",
        _CLIENT + "invalid_request_uri",
        "RFC 9126 section 4: as above",
    ),
    (
        ("pushed: again after it was answered",),
        "400 page",
        _CLIENT + "invalid_request_uri, no state",
        "RFC 9126 section 4: as above",
    ),
    (
        ("pushed: opened in a second browser",),
        "400 page",
        "login page",
        "RFC 9126 section 7.3: used once; the browser that came first may come again",
    ),
    (
        ("authorize: dpop_jkt that is no thumbprint",),
        _CLIENT + "invalid_request",
        "login page",
        "RFC 9449 section 10: it is a SHA-256 thumbprint",
    ),
    (("authorize: by POST of JSON",), "415 page", "400 page", "RFC 9110 section 15.5.16"),
    (("authorize: by PUT",), "405 page", "404", "RFC 9110 section 15.5.6"),
    (
        ("authorize: state twice",),
        "400 page",
        _CLIENT + "invalid_request, no state",
        "RFC 6749 section 4.1.2.1 would send it to the client; what can be read in two ways proves no address (docs/divergences.md)",
    ),
    (
        ("authorize: redirect_uri twice",),
        "400 page",
        _CLIENT + "invalid_request",
        "RFC 6749 section 3.1.2.4: which one?",
    ),
    (
        (
            "authorize: a signed request of another client",
            "authorize: a signed request for another server",
            "authorize: a signed request that has expired",
            "authorize: a signed request in a signed request",
            "authorize: a signed request that was altered",
            "authorize: a request signed by nobody",
        ),
        _CLIENT + "invalid_request_object, no state",
        _CLIENT + "invalid_request_object",
        "RFC 9101 section 6.2: nothing is taken from what is not verified, its state neither",
    ),
    # Pushed requests.
    (
        ("par: a request_uri",),
        "400 invalid_request",
        "400 request_uri_not_supported",
        "RFC 9126 section 2.1: it must not be provided",
    ),
    (("par: an unknown scope alone",), "400 invalid_scope", "400 invalid_request", "RFC 6749 section 4.1.2.1"),
    (
        ("par: another client's client_id", "token: client_id of another beside Basic"),
        _DENIED,
        "400 invalid_request",
        "RFC 6749 section 5.2: who is named is not who authenticates",
    ),
    (
        (
            "par: no authentication",
            "token: client_id alone",
            "token: an assertion for elsewhere",
            "token: an assertion that has expired",
            "token: an assertion without exp",
            "token: an assertion without jti",
            "token: an assertion without sub",
            "token: an assertion by another iss",
            "token: an assertion whose key is not known",
            "token: an assertion twice",
            "token: an assertion by a client of basic",
            "token: an assertion signed with the public key as a secret",
        ),
        _DENIED,
        "401 invalid_client",
        "RFC 9110 section 15.5.2: a 401 names a way to authenticate",
    ),
    (
        ("par: by GET", "token: by GET", "introspect: by GET", "revoke: by GET", "jwks: by POST"),
        "405 invalid_request",
        "404",
        "RFC 9110 section 15.5.6",
    ),
    (("discovery: by POST",), "405", "404", "RFC 9110 section 15.5.6"),
    (("par: JSON", "token: JSON"), "415 invalid_request", "400 invalid_request", "RFC 9110 section 15.5.16"),
    (
        ("par: dpop_jkt of another key",),
        "400 invalid_dpop_proof",
        "400 invalid_request",
        "RFC 9449 section 10.1 demands a refusal and names no code",
    ),
    # Tokens.
    (("token: a code_verifier that is too short",), "400 invalid_grant", "400 invalid_request", "RFC 7636 section 4.6"),
    (
        ("token: no redirect_uri",),
        "400 invalid_grant",
        "200 Bearer id_token+refresh_token",
        "RFC 6749 section 4.1.3: required, since the request had one",
    ),
    (
        ("token: a grant_type that the client did not register", "refresh: a client that may not"),
        "400 unauthorized_client",
        "400 invalid_request",
        "RFC 6749 section 5.2",
    ),
    (
        ("token: no authentication", "token: Basic that is no base64", "token: an unknown scheme"),
        _DENIED,
        "400 invalid_request",
        "RFC 6749 section 5.2: no client authentication included, or one that is not supported",
    ),
    (
        ("token: posted by a client of basic",),
        _DENIED,
        "200 Bearer id_token+refresh_token",
        "RFC 7591 section 2: the one method that the client registered",
    ),
    (
        ("token: basic by a client of post",),
        _DENIED,
        "200 Bearer id_token",
        "RFC 7591 section 2: the one method that the client registered",
    ),
    (("token: client credentials, an unknown scope",), "400 invalid_scope", "200 Bearer ", "RFC 6749 section 5.2"),
    (
        ("token: an assertion for the token endpoint", "token: an assertion for two"),
        _DENIED,
        "200 Bearer id_token+refresh_token",
        "FAPI 2.0 Security Profile section 5.3.2.1: the issuer alone, as a string (docs/divergences.md)",
    ),
    (
        ("token: an assertion of another typ",),
        _DENIED,
        "200 Bearer id_token+refresh_token",
        "RFC 8725 section 3.11: a token of one kind does not pass for another",
    ),
    (
        ("dpop: no proof by a client whose tokens are bound",),
        "400 invalid_request",
        "400 invalid_grant",
        "RFC 9449 section 5.2 demands a refusal and names no code; a missing header is no fault of the grant",
    ),
    (("dpop: a proof twice",), "400 invalid_dpop_proof", "400 invalid_grant", "RFC 9449 section 5"),
    (
        ("dpop: refreshed with another key",),
        "400 invalid_grant",
        "200 DPoP id_token+refresh_token",
        "RFC 9449 section 5 does not bind a confidential client's; we do (docs/divergences.md)",
    ),
    # Protected resources.
    (
        ("userinfo: a bound token without a proof",),
        "401 invalid_token DPoP",
        "400 invalid_request DPoP",
        "RFC 9449 section 7.1: 401 with a challenge",
    ),
    (
        ("userinfo: a token in the query", "userinfo: Basic"),
        "401 invalid_token Bearer",
        "400 invalid_request Bearer",
        "RFC 6750 section 3.1: no token that counts is 401; RFC 9700 section 4.3.2: never in the query",
    ),
    # Introspection and revocation.
    (
        ("introspect: a refresh token",),
        "200 active=False",
        "200 active=True",
        "RFC 7662 section 2.1 lets refresh tokens be asked for: theirs",
    ),
    (
        ("introspect: an own token of the API",),
        "200 active=True",
        "400 unsupported_token_type",
        "RFC 7662 knows no kind of access token that cannot be asked for",
    ),
    (
        ("introspect: another client's token",),
        "200 active=False",
        "200 active=True",
        "RFC 7662 section 2.2: who may not know is told that it is not active",
    ),
    (("introspect: no authentication",), _DENIED, "400 invalid_request", "RFC 7662 section 2.3"),
    (
        ("revoke: an own token of the API",),
        "200",
        "400 unsupported_token_type cacheable",
        "RFC 7009 section 2: access tokens should be revocable",
    ),
    (
        ("revoke: another client's token",),
        "200",
        "400 invalid_request cacheable",
        "RFC 7009 section 2.1 would tell; ours is not told (docs/divergences.md)",
    ),
    (
        ("revoke: no token",),
        "400 invalid_request",
        "400 invalid_request cacheable",
        "RFC 6749 section 5.1: no-store, as on all of these",
    ),
    (("revoke: no authentication",), _DENIED, "400 invalid_request cacheable", "RFC 6749 section 5.2"),
    (
        ("revoke: a wrong secret",),
        _DENIED,
        "401 invalid_client cacheable Basic",
        "RFC 6749 section 5.1: no-store, as on all of these",
    ),
    # Logging out.
    (
        ("logout: an id_token_hint that is none", "logout: an address that is not registered"),
        "200 page",
        "400 invalid_request",
        "OpenID Connect RP-Initiated Logout section 4: no redirect; the citizen is shown a page, not JSON",
    ),
)
"""Cases, ours, theirs, what decides."""
DIFFERENCES = {name: (ours, theirs, clause) for names, ours, theirs, clause in ROWS for name in names}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bare", ["sqlite"], indirect=True)
def test_both_answer_alike_or_the_standard_decides(name: str, ours: Side, theirs: Side) -> None:
    send = CASES[name]

    seen = outcome(send(ours)), outcome(send(theirs))

    if name in DIFFERENCES:
        assert seen == DIFFERENCES[name][:2]
    else:
        assert seen[0] == seen[1]


def test_each_difference_is_a_case() -> None:
    assert set(DIFFERENCES) <= set(CASES)
