"""NL GOV Assurance profile for OpenID Connect 1.0.1: what it demands of discovery, member by member.

One issuer serves every profile, and its document has a view for each (docs/decisions/0011-one-issuer.md): what is true
for the clients of this one, and nothing else.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from agency.jose import Key
from idp.authenticators.levels import LEVELS
from idp.clients.registration import InvalidMetadata, register
from idp.profiles import CIBA, CODE, DEVICE, EXCHANGE, PROFILES
from tests.fixtures.strangers import new_key, public

if TYPE_CHECKING:
    from tests.fixtures.server import Server

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
VIEW = "?profile=nlgov"
TOLD_IN_A_JWT = ("id_token", "userinfo")
SIGNED = ("RS256", "PS256")
STRONG_ENOUGH = {*SIGNED, "ES256", "EdDSA", "Ed25519"}
"""The profile's «nothing weaker than RS256»."""
REGISTERED = {
    "client_name": "one",
    "agency": "health-insurer",
    "redirect_uris": ["https://agency.example.nl/callback"],
    "jwks": {"keys": [Key.generate().public()]},
}


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(server.issuer + DOCUMENTS[0] + VIEW).json()
    return found


class TestSection5_4_1:
    """Discovery endpoint."""

    @pytest.mark.parametrize("path", DOCUMENTS)
    def test_it_is_where_the_issuer_says_and_names_it(self, server: Server, path: str) -> None:
        """Else one provider passes for another.

        OpenID Connect Discovery section 4.3.
        """
        assert httpx2.get(server.issuer + path + VIEW).json()["issuer"] == server.issuer

    @pytest.mark.parametrize("path", ["/nlgov" + DOCUMENTS[0], DOCUMENTS[1] + "/nlgov", DOCUMENTS[0] + "/nlgov"])
    def test_no_second_address_answers_for_the_same_issuer(self, server: Server, path: str) -> None:
        assert httpx2.get(server.issuer + path).status_code == 404

    def test_webfinger_is_not_there(self, server: Server) -> None:
        who = {"resource": "acct:anna@localhost", "rel": "http://openid.net/specs/connect/1.0/issuer"}

        assert httpx2.get(f"{server.issuer}/.well-known/webfinger", params=who).status_code == 404


class TestSection5_4_2:
    """Discovery document, member by member."""

    @pytest.mark.parametrize(
        "member",
        [
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "registration_endpoint",
            "introspection_endpoint",
            "revocation_endpoint",
            "jwks_uri",
        ],
    )
    def test_its_addresses_are_the_issuers(self, server: Server, document: dict[str, Any], member: str) -> None:
        assert document[member].startswith(server.issuer + "/")

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("response_types_supported", ["code"]),
            ("grant_types_supported", ["authorization_code"]),
            # With a way in for certificates tests/spec/test_rfc8705.py finds tls_client_auth beside it.
            ("token_endpoint_auth_methods_supported", ["private_key_jwt"]),
            ("subject_types_supported", ["pairwise"]),
            ("code_challenge_methods_supported", ["S256"]),
            ("claims_parameter_supported", True),
            ("request_parameter_supported", True),
            # So `require_request_uri_registration` need not be there.
            ("request_uri_parameter_supported", False),
            *((f"{name}_encryption_enc_values_supported", ["A256GCM"]) for name in (*TOLD_IN_A_JWT, "request_object")),
        ],
    )
    def test_what_it_says_is_what_the_profile_says(self, document: dict[str, Any], member: str, value: Any) -> None:
        assert document[member] == value

    @pytest.mark.parametrize(
        ("member", "needed"),
        [
            ("token_endpoint_auth_signing_alg_values_supported", {*SIGNED}),
            ("scopes_supported", {"openid"}),
            ("claims_supported", {"iss", "aud", "sub", "nonce", "jti", "exp", "iat", "nbf", "auth_time", "acr"}),
            ("acr_values_supported", {*LEVELS}),
            *((f"{name}_signing_alg_values_supported", {*SIGNED}) for name in (*TOLD_IN_A_JWT, "request_object")),
            *((f"{name}_encryption_alg_values_supported", {"RSA-OAEP"}) for name in (*TOLD_IN_A_JWT, "request_object")),
        ],
    )
    def test_what_a_client_must_choose_stands_there(
        self, document: dict[str, Any], member: str, needed: set[str]
    ) -> None:
        assert needed <= set(document[member])

    def test_every_signature_is_strong_enough(self, document: dict[str, Any]) -> None:
        told = {name: set(value) for name, value in document.items() if name.endswith("signing_alg_values_supported")}

        assert len(told) >= 8
        assert {name: value for name, value in told.items() if not value <= STRONG_ENOUGH} == {}

    def test_what_is_never_issued_is_not_told(self, document: dict[str, Any]) -> None:
        assert "amr" not in document["claims_supported"]

    def test_it_is_signed(self, server: Server, document: dict[str, Any]) -> None:
        """RFC 8414 section 2.1; recommended by the profile. What is signed is this view."""
        keys = KeySet.import_key_set(httpx2.get(document["jwks_uri"]).json())
        told = dict(document)

        signed = jwt.decode(told.pop("signed_metadata"), keys, algorithms=["ES256"]).claims

        assert signed == {**told, "iss": server.issuer}

    def test_endpoints_of_other_grants_are_not_told(self, document: dict[str, Any]) -> None:
        assert not [name for name in document if name.startswith(("device_", "backchannel_authentication"))]


class TestOAuth:
    """NL GOV Assurance profile for OAuth 2.0."""

    def test_its_document_names_its_grants(self, server: Server) -> None:
        """NL GOV OAuth section 2.1.3: direct access is a client of its own; OpenID's document does not know it."""
        told = httpx2.get(server.issuer + DOCUMENTS[1] + VIEW).json()["grant_types_supported"]

        assert sorted(told) == ["authorization_code", "client_credentials", "refresh_token"]

    @pytest.mark.parametrize("grant", [DEVICE, CIBA, EXCHANGE])
    def test_a_grant_that_it_does_not_know_is_refused(self, grant: str) -> None:
        """Also as a client's only one."""
        with pytest.raises(InvalidMetadata, match="grant_types"):
            register(json.dumps({**REGISTERED, "grant_types": [grant]}).encode(), "nlgov", development=False)

    def test_another_grant_is_another_client(self) -> None:
        """NL GOV OAuth section 3.1.1."""
        both = {**REGISTERED, "grant_types": ["authorization_code", "client_credentials"]}
        with pytest.raises(InvalidMetadata, match="one grant type"):
            register(json.dumps(both).encode(), "nlgov", development=False)

    def test_a_certificate_is_an_authoritys(self) -> None:
        """NL GOV OpenID Connect section 5.4.2: private_key_jwt, tls_client_auth, or both; not the client's own word."""
        name = {**REGISTERED, "tls_client_auth_subject_dn": "CN=api,O=Gemeente Duinstad,C=NL"}
        by_authority = {**name, "token_endpoint_auth_method": "tls_client_auth"}
        by_itself = {**REGISTERED, "token_endpoint_auth_method": "self_signed_tls_client_auth"}

        assert register(json.dumps(by_authority).encode(), "nlgov", development=False)
        with pytest.raises(InvalidMetadata, match="token_endpoint_auth_method"):
            register(json.dumps(by_itself).encode(), "nlgov", development=False)


MEMBERS = {
    "token_endpoint_auth_methods_supported": "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg_values_supported": "token_endpoint_auth_signing_alg",
    "request_object_signing_alg_values_supported": "request_object_signing_alg",
    "id_token_signing_alg_values_supported": "id_token_signed_response_alg",
    "userinfo_signing_alg_values_supported": "userinfo_signed_response_alg",
    "authorization_signing_alg_values_supported": "authorization_signed_response_alg",
    "introspection_signing_alg_values_supported": "introspection_signed_response_alg",
}
"""What a document names, and where a client chooses of it (RFC 7591, OpenID Connect Dynamic Client Registration)."""


class TestEveryView:
    """What a profile's view names, a client of that profile registers; what the whole document names beyond, it does not."""

    @pytest.mark.parametrize("path", DOCUMENTS)
    @pytest.mark.parametrize("profile", PROFILES)
    def test_it_is_true_of_registration(self, server: Server, profile: str, path: str) -> None:
        whole = httpx2.get(server.issuer + path).json()
        told = httpx2.get(f"{server.issuer}{path}?profile={profile}").json()
        assert told["issuer"] == whole["issuer"] == server.issuer
        tried = 0
        for name, member in MEMBERS.items():
            assert set(told[name]) <= set(whole[name])
            for value in whole[name]:
                tried += 1
                assert _registers(profile, **_needed(member, value)) is (value in told[name]), (name, value)
        for grant in whole["grant_types_supported"]:
            if grant != "refresh_token":
                known = grant in (told["grant_types_supported"] if path == DOCUMENTS[1] else PROFILES[profile].grants)
                assert (
                    _registers(profile, grant_types=[grant], **({} if grant == CODE else {"response_types": []}))
                    is known
                )
        assert tried > 25
        assert told["require_pushed_authorization_requests"] is (profile == "fapi2")

    def test_the_whole_document_is_what_they_have_together(self, server: Server) -> None:
        whole = httpx2.get(server.issuer + DOCUMENTS[0]).json()
        views = [httpx2.get(f"{server.issuer}{DOCUMENTS[0]}?profile={one}").json() for one in PROFILES]
        for name, value in whole.items():
            if isinstance(value, list):
                assert set(value) == {item for view in views for item in view.get(name, [])}, name

    @pytest.mark.parametrize("path", DOCUMENTS)
    def test_a_profile_that_is_not_there_is_not_found(self, server: Server, path: str) -> None:
        for query in ("profile=", "profile=strict", "profile=nlgov&x=1", "profile=NLGOV"):
            assert httpx2.get(f"{server.issuer}{path}?{query}").status_code == 404
        assert httpx2.get(f"{server.issuer}{path}?x=1").content == httpx2.get(server.issuer + path).content

    def test_a_view_can_be_kept(self, server: Server) -> None:
        first = httpx2.get(server.issuer + DOCUMENTS[0] + VIEW)
        again = httpx2.get(server.issuer + DOCUMENTS[0] + VIEW, headers={"if-none-match": first.headers["etag"]})

        assert (again.status_code, again.content) == (304, b"")
        assert httpx2.get(server.issuer + DOCUMENTS[0]).headers["etag"] != first.headers["etag"]

    def test_whoever_adds_a_client_is_told_where_its_view_is(self, server: Server) -> None:
        done = server.tell("client add", profile="nlgov", file=REGISTERED)

        assert done["openid_configuration"] == server.issuer + DOCUMENTS[0] + VIEW
        assert httpx2.get(done["openid_configuration"]).json()["issuer"] == done["issuer"]


def _needed(member: str, value: str) -> dict[str, Any]:
    """The member, and what it needs beside it."""
    if member == "token_endpoint_auth_method":
        return {member: value, **({"grant_types": [CODE]} if value == "none" else {})}
    return {member: value, "token_endpoint_auth_method": "private_key_jwt"}


@cache
def _keys() -> list[dict[str, Any]]:
    made = [new_key(alg) for alg in ("ES256", "PS256", "RS256", "Ed25519")]
    return [public(one) for one in (*made, {**new_key("Ed25519"), "alg": "EdDSA", "kid": "EdDSA-1"})]


def _registers(profile: str, **members: Any) -> bool:
    try:
        register(json.dumps({**REGISTERED, "jwks": {"keys": _keys()}, **members}).encode(), profile, development=True)
    except InvalidMetadata:
        return False
    return True
