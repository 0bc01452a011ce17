"""Authlib's own client logs a citizen in; libraries that are not ours verify what comes out.

Authlib is under our server too, but its client shares no code with what it talks to here: pages, storage, minting are ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt as pyjwt
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from jose import jwt as python_jose
from joserfc import jwt
from joserfc.jwk import KeySet, import_key

from tests.fixtures.server import CALLBACK, Server
from tests.fixtures.strangers import BIRTH_DATE, LOGIN, Party, register
from tests.flows.test_independent_client import Stopping

pytestmark = pytest.mark.interop

REFRESHING = ["authorization_code", "refresh_token"]


@pytest.fixture
def browser() -> Iterator[Stopping]:
    made = Stopping()
    yield made
    made.close()


def metadata(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()
    return found


def authlib_client(party: Party, **assertion: Any) -> OAuth2Client:
    """Made of what registration printed. `assertion`: claims that Authlib is told to put into its client assertions."""
    key = import_key(party.jwk) if party.jwk is not None else None
    made = OAuth2Client(
        party.client_id,
        key or party.secret,
        token_endpoint_auth_method=party.given["auth"],
        revocation_endpoint_auth_method=party.given["auth"],
        scope=party.given["scope"],
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    if party.jwk is not None:
        header = {"kid": party.jwk["kid"]}
        made.register_client_auth_method(PrivateKeyJWT(party.server.issuer, assertion, header, party.jwk["alg"]))
    return made


def log_in(client: OAuth2Client, party: Party, browser: Stopping) -> tuple[dict[str, Any], str]:
    """The whole code flow as Authlib does it; the tokens, and the nonce."""
    endpoints = metadata(party.server)
    verifier, nonce = generate_token(48), generate_token(22)
    url, state = client.create_authorization_url(
        endpoints["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    browser.get(url)
    browser.submit("/login/password", **LOGIN)
    if not browser.arrived:
        browser.submit("/ask", **{"birth-date": "allow"})
    tokens: dict[str, Any] = client.fetch_token(
        endpoints["token_endpoint"], authorization_response=browser.arrived, state=state, code_verifier=verifier
    )
    return tokens, nonce


def test_code_and_pkce_with_a_secret(bare: Server, browser: Stopping) -> None:
    """Login, ID token, userinfo, refresh, introspection, revocation."""
    members = {"scope": "openid birthdate", "purpose": "health-insurance", "grant_types": REFRESHING}
    party = register(bare, "baseline", auth="client_secret_basic", **members)
    endpoints = metadata(bare)
    with authlib_client(party) as client:
        tokens, nonce = log_in(client, party, browser)
        keys = KeySet.import_key_set(httpx2.get(endpoints["jwks_uri"]).json())
        decoded = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"])
        told = client.get(endpoints["userinfo_endpoint"]).json()
        fresh = client.refresh_token(endpoints["token_endpoint"])
        introspected = client.introspect_token(endpoints["introspection_endpoint"], fresh["access_token"]).json()
        revoked = client.revoke_token(endpoints["revocation_endpoint"], fresh["access_token"])
        after = client.introspect_token(endpoints["introspection_endpoint"], fresh["access_token"]).json()

    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"value": bare.issuer}, "aud": {"value": party.client_id}},
        {"nonce": nonce, "client_id": party.client_id, "access_token": tokens["access_token"]},
    )
    claims.validate(leeway=5)
    assert told == {"sub": claims["sub"], "birthdate": BIRTH_DATE}
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert (introspected["active"], revoked.status_code, after) == (True, 200, {"active": False})


class TestPrivateKeyJwt:
    def test_code_and_pkce_with_a_key(self, bare: Server, browser: Stopping) -> None:
        """The audience is the issuer, the assertion lives a minute: Authlib has to be told both."""
        party = register(bare, "baseline", auth="private_key_jwt", alg="ES256")
        with authlib_client(party, exp=int(time.time()) + 60) as client:
            tokens, _ = log_in(client, party, browser)

        assert tokens["token_type"] == "Bearer"

    def test_an_assertion_that_lives_an_hour_is_refused(self, bare: Server, browser: Stopping) -> None:
        """Authlib's default. Whoever finds one in a log could use it for that long (CVE-2025-2559)."""
        party = register(bare, "baseline", auth="private_key_jwt", alg="ES256")
        with authlib_client(party) as client, pytest.raises(OAuthError, match="invalid_client"):
            log_in(client, party, browser)


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_python_jose_and_pyjwt_verify_what_comes_out(bare: Server, browser: Stopping, alg: str) -> None:
    """The ID token and the access token of a login, with the keys that the server publishes."""
    party = register(bare, "baseline", auth="client_secret_basic", id_token_signed_response_alg=alg)
    endpoints = metadata(bare)
    with authlib_client(party) as client:
        tokens, nonce = log_in(client, party, browser)
    expected = (
        (tokens["id_token"], alg, party.client_id),
        (tokens["access_token"], "ES256", endpoints["userinfo_endpoint"]),
    )
    jwks = httpx2.get(endpoints["jwks_uri"]).json()["keys"]
    found = []
    for token, algorithm, audience in expected:
        kid = pyjwt.get_unverified_header(token)["kid"]
        key = next(one for one in jwks if one["kid"] == kid)
        same = {"algorithms": [algorithm], "audience": audience, "issuer": bare.issuer}
        options = {"require_aud": True, "require_exp": True, "require_iss": True, "verify_at_hash": False}
        first = python_jose.decode(token, key, options=options, **same)
        second = pyjwt.decode(token, pyjwt.PyJWK(key).key, **same)
        assert first == second
        found.append(first)

    assert found[0]["nonce"] == nonce
    assert found[0]["sub"] == found[1]["sub"]
