"""RFC 9068, JWT Profile for OAuth 2.0 Access Tokens; and what the Dutch profile adds to tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from agency.client import ASSERTION_TYPE, Client
from tests.fixtures.counterparty import citizen, header_of, logged_in_tokens, registered, verified
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import VERIFIER, address, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping

LOW = "http://eidas.europa.eu/LoA/low"


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


def own_token(server: Server, client: Client, **asked: str) -> dict[str, Any]:
    form = {"grant_type": "client_credentials", **asked}
    done = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))
    body: dict[str, Any] = done.json()
    return body


class TestSection2_1:
    def test_the_header_says_at_jwt_and_names_its_key(self, server: Server, dora: Stopping) -> None:
        header = header_of(logged_in_tokens(server, dora, server.clients["baseline"])["access_token"])

        assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
        assert len(header["kid"]) == 43


class TestSection2_2:
    """Data structure."""

    def test_a_citizens_token_holds_what_it_must(self, server: Server, dora: Stopping) -> None:
        client = server.clients["baseline"]
        given = logged_in_tokens(server, dora, client)

        claims = verified(server, given["access_token"], typ="at+jwt", audience=None)

        assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "acr", "auth_time"} <= set(claims)
        assert (claims["client_id"], claims["scope"], claims["acr"]) == (client.client_id, "openid", LOW)
        assert claims["exp"] - claims["iat"] == given["expires_in"] <= 900
        assert claims["auth_time"] <= time.time()
        # Not a word about the person (C-15), and no way of logging in.
        assert not {"name", "birthdate", "amr", "sid", "azp"} & set(claims)

    def test_a_clients_own_token_is_its_own(self, server: Server) -> None:
        """Section 2.2: without a citizen `sub` is the client, and nothing is said of a login."""
        client = server.clients["service"]

        claims = verified(server, own_token(server, client)["access_token"], typ="at+jwt", audience=None)

        assert claims["sub"] == claims["client_id"] == client.client_id
        assert not {"acr", "auth_time"} & set(claims)

    def test_no_two_have_the_same_jti(self, server: Server, dora: Stopping) -> None:
        """NL GOV OAuth section 3.2.1: at least 128 bits."""
        given = [own_token(server, server.clients["service"])["access_token"] for _ in range(20)]

        seen = {verified(server, one, typ="at+jwt", audience=None)["jti"] for one in given}
        assert len(seen) == 20
        assert min(len(one) for one in seen) >= 22


class TestSection3:
    """Requesting: the audience is one API."""

    def test_the_scope_says_which(self, server: Server, dora: Stopping) -> None:
        for_userinfo = logged_in_tokens(server, dora, server.clients["baseline"])["access_token"]
        for_registry = own_token(server, server.clients["service"])["access_token"]

        assert verified(server, for_userinfo, typ="at+jwt", audience=f"{server.issuer}/oauth2/userinfo")
        assert verified(server, for_registry, typ="at+jwt", audience=f"{server.issuer}/consent/v1")

    def test_another_resource_than_the_scopes_is_refused(self, server: Server) -> None:
        told = own_token(server, server.clients["service"], resource=f"{server.issuer}/oauth2/userinfo")

        assert told["error"] == "invalid_target"


class TestSection4:
    """Validating: a token for one API opens no other."""

    def test_at_userinfo_a_token_for_the_registry_is_refused(self, server: Server) -> None:
        token = own_token(server, server.clients["service"])["access_token"]

        told = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers={"authorization": f"Bearer {token}"})

        assert (told.status_code, told.json()["error"]) == (401, "invalid_token")

    def test_at_the_registry_a_token_for_userinfo_is_refused(self, server: Server, dora: Stopping) -> None:
        given = logged_in_tokens(server, dora, server.clients["baseline"])
        body = {"sub": "x" * 43, "purpose": "housing-benefit", "data": ["address"]}

        for token in (given["access_token"], given["id_token"]):
            headers = {"authorization": f"Bearer {token}"}
            assert httpx2.post(f"{server.issuer}/consent/v1/checks", json=body, headers=headers).status_code == 401


class TestNlgov:
    """NL GOV Assurance profile for OpenID Connect 1.0.1, and NL GOV OAuth 1.1: tokens."""

    def test_azp_is_there_and_amr_is_not(self, server: Server, dora: Stopping) -> None:
        key = RSAKey.generate_key(2048)
        public = {**key.as_dict(private=False), "kid": "k", "use": "sig", "alg": "PS256"}
        file = {
            "client_name": "nl",
            "agency": "health-insurer",
            "redirect_uris": [CALLBACK],
            "jwks": {"keys": [public]},
        }
        done = server.tell("client add", profile="nlgov", file=file)
        client = Client(server.issuer, done["client_id"])
        dora.get(address(server, client, scope="openid", max_age="100000", acr_values=LOW))
        now = int(time.time())
        claims = {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": server.issuer,
            "jti": "n" * 22,
            "exp": now + 60,
        }
        form = {
            "grant_type": "authorization_code",
            "code": answer_of(dora)["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode({"alg": "PS256", "kid": "k"}, claims, key, algorithms=["PS256"]),
        }

        given = httpx2.post(f"{server.issuer}/oauth2/token", data=form).json()

        access = verified(server, given["access_token"], typ="at+jwt", audience=f"{server.issuer}/oauth2/userinfo")
        assert access["azp"] == access["client_id"] == client.client_id
        identity = verified(server, given["id_token"], typ="JWT", audience=client.client_id, alg="PS256")
        assert (identity["acr"], identity["azp"], identity["nonce"]) == (LOW, client.client_id, "n" * 22)
        assert identity["exp"] - identity["iat"] <= 300
        assert identity["auth_time"] <= identity["iat"]
        assert "amr" not in identity

    def test_amr_is_told_where_the_profile_does_not_forbid_it(self, server: Server, dora: Stopping) -> None:
        client = registered(server)

        given = logged_in_tokens(server, dora, client)

        assert verified(server, given["id_token"], typ="JWT", audience=client.client_id)["amr"] == ["pwd"]
