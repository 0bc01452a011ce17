"""RFC 9701, JWT Response for OAuth Token Introspection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.fixtures.counterparty import ALGORITHMS, Receiver, header_of, registered, verified

if TYPE_CHECKING:
    from agency.client import Client
    from tests.fixtures.server import Server

MEDIA_TYPE = "application/token-introspection+jwt"
TYP = "token-introspection+jwt"
SERVICE = {
    "agency": "municipality",
    "scope": "consent:check",
    "grant_types": ["client_credentials"],
    "redirect_uris": [],
}


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return registered(server, **SERVICE)


def token_of(server: Server, client: Client) -> str:
    form = {"grant_type": "client_credentials"}
    done = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))
    return str(done.json()["access_token"])


def introspect(server: Server, client: Client, token: str, accept: str | None = MEDIA_TYPE) -> httpx2.Response:
    return httpx2.post(
        f"{server.issuer}/oauth2/introspect",
        data={"token": token},
        headers={"accept": accept} if accept is not None else {},
        auth=(client.client_id, client.secret),
    )


class TestSection4:
    """Requesting a JWT response."""

    @pytest.mark.parametrize("accept", [MEDIA_TYPE, f"{MEDIA_TYPE}; q=1", f"text/html, {MEDIA_TYPE.upper()}"])
    def test_who_asks_for_a_jwt_gets_one(self, server: Server, client: Client, accept: str) -> None:
        told = introspect(server, client, token_of(server, client), accept)

        assert told.status_code == 200
        assert told.headers["content-type"] == MEDIA_TYPE
        assert told.headers["cache-control"] == "no-store"
        assert header_of(told.text)["typ"] == TYP

    @pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/jwt", "application/*"])
    def test_everyone_else_gets_json(self, server: Server, client: Client, accept: str | None) -> None:
        told = introspect(server, client, token_of(server, client), accept)

        assert told.headers["content-type"] == "application/json"
        assert told.json()["active"] is True

    def test_without_authentication_nobody_gets_anything(self, server: Server, client: Client) -> None:
        form = {"token": token_of(server, client)}
        told = httpx2.post(f"{server.issuer}/oauth2/introspect", data=form, headers={"accept": MEDIA_TYPE})

        assert (told.status_code, told.json()["error"]) == (401, "invalid_client")


class TestSection5:
    """The response: signed, for the one who asked, and nothing that it could be taken for."""

    def test_it_holds_what_json_would(self, server: Server, client: Client) -> None:
        token = token_of(server, client)
        plain = introspect(server, client, token, None).json()

        claims = verified(server, introspect(server, client, token).text, typ=TYP, audience=client.client_id)

        assert claims["token_introspection"] == plain
        assert abs(time.time() - claims["iat"]) < 10

    def test_there_is_no_sub_and_no_exp_beside_it(self, server: Server, client: Client) -> None:
        """Section 5: so that it cannot be used as an access token or an ID token (RFC 8725 section 3.11)."""
        claims = verified(
            server, introspect(server, client, token_of(server, client)).text, typ=TYP, audience=client.client_id
        )

        assert set(claims) == {"iss", "aud", "iat", "token_introspection"}

    def test_it_passes_for_no_token(self, server: Server, client: Client) -> None:
        response = introspect(server, client, token_of(server, client)).text

        assert introspect(server, client, response, None).json() == {"active": False}
        bearer = {"authorization": f"Bearer {response}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401
        body = {"sub": "x" * 43, "purpose": "housing-benefit", "data": ["address"]}
        check = httpx2.post(f"{server.issuer}/consent/v1/checks", json=body, headers=bearer)
        assert check.status_code == 401

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
    def test_what_is_not_active_is_said_in_a_jwt_too(self, server: Server, client: Client, token: str) -> None:
        told = introspect(server, client, token or token_of(server, server.clients["service"]))

        claims = verified(server, told.text, typ=TYP, audience=client.client_id)
        assert claims["token_introspection"] == {"active": False}


class TestSection6:
    """Client metadata: the algorithms that were registered."""

    def test_the_registered_signature(self, server: Server) -> None:
        client = registered(server, **SERVICE, introspection_signed_response_alg="RS256")

        told = introspect(server, client, token_of(server, client)).text

        claims = verified(server, told, typ=TYP, audience=client.client_id, alg="RS256")
        assert claims["token_introspection"]["active"] is True

    @pytest.mark.parametrize("alg", ALGORITHMS)
    def test_the_registered_encryption_is_around_the_signature(self, server: Server, alg: str) -> None:
        receiver = Receiver.of(alg)
        members: dict[str, Any] = {"introspection_encrypted_response_alg": alg, "keys": [receiver.public()]}
        client = registered(server, **SERVICE, **members, introspection_encrypted_response_enc="A256GCM")

        told = introspect(server, client, token_of(server, client))
        claims = verified(server, receiver.opened(told.text), typ=TYP, audience=client.client_id)

        assert told.headers["content-type"] == MEDIA_TYPE
        assert claims["token_introspection"]["active"] is True


def test_section_7_the_metadata_says_what_can_be_registered(server: Server) -> None:
    told = httpx2.get(f"{server.issuer}/.well-known/oauth-authorization-server").json()

    assert set(told["introspection_signing_alg_values_supported"]) == {"ES256", "PS256", "RS256"}
    assert set(told["introspection_encryption_alg_values_supported"]) == set(ALGORITHMS)
    assert told["introspection_encryption_enc_values_supported"] == ["A256GCM"]
