"""FAPI 2.0 Message Signing: signed requests (section 5.3), signed responses (section 5.4), signed introspection (5.5).

Each test that stands for a module of the OpenID Foundation's suite begins with the module's name.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc.jwk import RSAKey

from agency.client import Client
from agency.jose import Key
from keys.digest import b64encode
from tests.fixtures.counterparty import (
    arrive,
    citizen,
    keys_of,
    push,
    registered,
    request_claims,
    rsa_signed_request,
    signed_request,
    tokens,
    verified,
)
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping

JARM = "authorization-response+jwt"
REFUSED = (400, "invalid_request_object")


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
def client(server: Server, rsa: RSAKey) -> Client:
    """A client of the profile that must sign; with an RSA key besides, which may only be used with PS256."""
    public = {**rsa.as_dict(private=False), "kid": "rsa", "use": "sig"}
    return registered(server, "fapi2", require_signed_request_object=True, keys=[public])


def told(server: Server, browser: Stopping, client: Client, pushed: httpx2.Response) -> dict[str, Any]:
    """What the client is told in the end, out of a signed response or a plain one."""
    answer = arrive(server, browser, client, pushed)
    if set(answer) == {"response"}:
        return verified(server, answer["response"], typ=JARM, audience=client.client_id)
    return answer


def outcome(pushed: httpx2.Response) -> tuple[int, str]:
    return pushed.status_code, pushed.json().get("error", "")


@pytest.mark.parametrize("mode", [None, "jwt"])
class TestWellBehavedClients:
    """Section 5.3 and 5.4, with plain responses and with signed ones."""

    def test_the_whole_flow(self, server: Server, dora: Stopping, client: Client, mode: str | None) -> None:
        """fapi2-security-profile-final-happy-flow"""
        nonce, state = "n" * 30, "s" * 30
        request = signed_request(server, client, response_mode=mode, nonce=nonce, state=state)

        answer = told(server, dora, client, push(server, client, request))
        given = tokens(server, client, answer["code"])

        assert (answer["state"], answer["iss"]) == (state, server.issuer)
        assert given.json()["token_type"] == "DPoP"
        assert verified(server, given.json()["id_token"], typ="JWT", audience=client.client_id)["nonce"] == nonce

    @pytest.mark.usefixtures("dora")
    def test_the_citizen_stops(self, server: Server, mode: str | None) -> None:
        """fapi2-security-profile-final-user-rejects-authentication"""
        # The asking page is where one can stop: a client that asks for data, and a browser of its own.
        asking = registered(server, "fapi2", agency="municipality")
        uses = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address"]}]
        request = signed_request(server, asking, response_mode=mode, state="z" * 22, authorization_details=uses)
        one = citizen(server, add=False)
        assert arrive(server, one, asking, push(server, asking, request)) == {}

        one.submit("/ask", stop="1")

        answer = dict(pair.split("=", 1) for pair in one.arrived.partition("?")[2].split("&"))
        if mode is not None:
            answer = verified(server, answer["response"], typ=JARM, audience=asking.client_id)
        assert (answer["error"], answer["state"]) == ("access_denied", "z" * 22)
        one.close()

    def test_without_state(self, server: Server, dora: Stopping, client: Client, mode: str | None) -> None:
        """fapi2-security-profile-final-ensure-authorization-request-without-state-success"""
        request = signed_request(server, client, response_mode=mode, state=None)

        answer = told(server, dora, client, push(server, client, request))

        assert "code" in answer
        assert "state" not in answer

    def test_without_nonce(self, server: Server, dora: Stopping, client: Client, mode: str | None) -> None:
        """fapi2-security-profile-final-ensure-authorization-request-without-nonce-success"""
        request = signed_request(server, client, response_mode=mode, nonce=None)

        answer = told(server, dora, client, push(server, client, request))
        given = tokens(server, client, answer["code"]).json()

        assert "nonce" not in verified(server, given["id_token"], typ="JWT", audience=client.client_id)

    def test_a_nonce_of_64_characters(self, server: Server, dora: Stopping, client: Client, mode: str | None) -> None:
        """fapi2-security-profile-final-ensure-authorization-request-with-64-char-nonce-success"""
        request = signed_request(server, client, response_mode=mode, nonce="n" * 64)

        answer = told(server, dora, client, push(server, client, request))
        given = tokens(server, client, answer["code"]).json()

        assert verified(server, given["id_token"], typ="JWT", audience=client.client_id)["nonce"] == "n" * 64


class TestSection5_3_1:
    """Requirements for authorization servers: signed requests."""

    def test_several_audiences_are_accepted(self, server: Server, dora: Stopping, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-multiple-aud-succeeds"""
        request = signed_request(server, client, aud=["https://other.example", server.issuer])

        assert "code" in told(server, dora, client, push(server, client, request))

    def test_nbf_a_little_ahead_is_accepted(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted"""
        assert push(server, client, signed_request(server, client, nbf=int(time.time()) + 8)).status_code == 201

    def test_nbf_far_ahead_is_refused(self, server: Server, client: Client) -> None:
        now = int(time.time())

        assert outcome(push(server, client, signed_request(server, client, nbf=now + 70, exp=now + 300))) == REFUSED

    def test_without_exp(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-without-exp-fails"""
        assert outcome(push(server, client, signed_request(server, client, exp=None))) == REFUSED

    def test_without_nbf(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-without-nbf-fails"""
        assert outcome(push(server, client, signed_request(server, client, nbf=None))) == REFUSED

    def test_expired(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-expired-request-object-fails"""
        request = signed_request(server, client, exp=int(time.time()) - 300)

        assert outcome(push(server, client, request)) == REFUSED

    def test_for_another_server(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails"""
        for aud in (f"{server.issuer}/other", "https://other.example", [], [f"{server.issuer}/oauth2/par"]):
            assert outcome(push(server, client, signed_request(server, client, aud=aud))) == REFUSED

    def test_a_life_of_more_than_an_hour(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails"""
        now = int(time.time())

        assert outcome(push(server, client, signed_request(server, client, exp=now + 70 * 60, nbf=now))) == REFUSED

    def test_begun_more_than_an_hour_ago(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-nbf-over-60-fails"""
        now = int(time.time())

        assert outcome(push(server, client, signed_request(server, client, nbf=now - 70 * 60, exp=now + 60))) == REFUSED

    def test_rs256(self, server: Server, client: Client, rsa: RSAKey) -> None:
        """fapi2-security-profile-final-ensure-signed-request-object-with-RS256-fails"""
        assert outcome(push(server, client, rsa_signed_request(server, client, rsa, "RS256"))) == REFUSED
        assert push(server, client, rsa_signed_request(server, client, rsa, "PS256")).status_code == 201

    def test_none(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none"""
        claims = request_claims(server, client)
        for header in ({"alg": "none"}, {"alg": "None", "typ": "oauth-authz-req+jwt"}, {}):
            unsigned = ".".join(b64encode(json.dumps(part).encode()) for part in (header, claims))
            for signature in ("", ".", ".AA"):
                assert outcome(push(server, client, unsigned + signature)) == REFUSED

    def test_a_broken_signature(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails"""
        head, body, signature = signed_request(server, client).split(".")
        other = "A" if signature[10] != "A" else "B"

        broken = f"{head}.{body}.{signature[:10]}{other}{signature[11:]}"

        assert outcome(push(server, client, broken)) == REFUSED

    def test_signed_by_a_key_that_is_not_registered(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-matching-key-in-authorization-request"""
        assert client.key is not None
        stranger = Client(server.issuer, client.client_id, Key.generate())

        for header in ({}, {"kid": client.key.thumbprint}):
            assert outcome(push(server, client, signed_request(server, stranger, header))) == REFUSED

    def test_unsigned_at_the_par_endpoint(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-unsigned-request-at-par-endpoint-fails"""
        claims = request_claims(server, client)
        plain = {name: str(value) for name, value in claims.items() if name not in ("iss", "aud", "exp", "nbf")}
        plain.pop("client_id")

        assert outcome(push(server, client, None, **plain)) == (400, "invalid_request")

    def test_without_redirect_uri(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails"""
        request = signed_request(server, client, redirect_uri=None)

        assert outcome(push(server, client, request, redirect_uri=CALLBACK)) == (400, "invalid_request")

    def test_a_request_uri_inside(self, server: Server, client: Client) -> None:
        """fapi2-security-profile-final-par-authorization-request-containing-request_uri"""
        request = signed_request(server, client, request_uri="urn:ietf:params:oauth:request_uri:x")

        assert push(server, client, request).status_code == 400


class TestSection5_3_2:
    """Parameters outside the request object do not count (RFC 9101 section 6.3)."""

    def test_another_nonce_beside_it(self, server: Server, dora: Stopping, client: Client) -> None:
        """fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object"""
        pushed = push(server, client, signed_request(server, client, nonce="inside" * 4), nonce="outside")

        given = tokens(server, client, told(server, dora, client, pushed)["code"]).json()

        claims = verified(server, given["id_token"], typ="JWT", audience=client.client_id)
        assert claims["nonce"] == "inside" * 4

    def test_another_state_beside_it(self, server: Server, dora: Stopping, client: Client) -> None:
        """fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object"""
        pushed = push(server, client, signed_request(server, client, state="inside" * 4), state="outside")

        assert told(server, dora, client, pushed)["state"] == "inside" * 4

    def test_a_state_beside_it_alone(self, server: Server, dora: Stopping, client: Client) -> None:
        """fapi2-security-profile-final-state-only-outside-request-object-not-used"""
        pushed = push(server, client, signed_request(server, client, state=None), state="outside")

        answer = told(server, dora, client, pushed)

        assert "code" in answer
        assert "state" not in answer


class TestSection5_5:
    """Signed introspection responses (RFC 9701)."""

    def test_a_resource_server_gets_a_signed_answer(self, server: Server, dora: Stopping, client: Client) -> None:
        from tests.fixtures.counterparty import assertion

        answer = told(server, dora, client, push(server, client, signed_request(server, client)))
        token = tokens(server, client, answer["code"]).json()["access_token"]

        done = httpx2.post(
            f"{server.issuer}/oauth2/introspect",
            data={"token": token, **assertion(client, server.issuer)},
            headers={"accept": "application/token-introspection+jwt"},
        )

        claims = verified(server, done.text, typ="token-introspection+jwt", audience=client.client_id)
        assert claims["token_introspection"]["active"] is True
        assert claims["token_introspection"]["cnf"]["jkt"] == client.key.thumbprint if client.key else False


class TestDiscovery:
    def test_the_document_says_what_the_profile_needs(self, server: Server) -> None:
        """fapi2-security-profile-final-discovery-end-point-verification"""
        found = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert found["issuer"] == server.issuer
        assert found["authorization_response_iss_parameter_supported"] is True
        assert {"jwt", "query"} <= set(found["response_modes_supported"])
        for name in ("request_object_signing_alg_values_supported", "authorization_signing_alg_values_supported"):
            assert {"PS256", "ES256"} <= set(found[name])
            assert not {"none", "HS256"} & set(found[name])
        for name in ("token", "pushed_authorization_request", "introspection"):
            assert found[f"{name}_endpoint"].startswith(server.issuer)
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
        assert {key["use"] for key in keys_of(server, "sig")} == {"sig"}
