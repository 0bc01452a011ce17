"""JARM, JWT Secured Authorization Response Mode for OAuth 2.0, the final specification of 2022."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.fixtures.counterparty import ALGORITHMS, Receiver, citizen, registered, tokens, verified
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import Stopping, address, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server

TYP = "authorization-response+jwt"


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


@pytest.fixture(scope="module", params=ALGORITHMS)
def receiver(request: pytest.FixtureRequest) -> Receiver:
    return Receiver.of(request.param)


@pytest.fixture(scope="module")
def sealing(server: Server, receiver: Receiver) -> Client:
    """A client that has its responses encrypted."""
    return registered(server, authorization_encrypted_response_alg=receiver.alg, keys=[receiver.public()])


def response(server: Server, browser: Stopping, client: Client, **asked: str) -> str:
    browser.get(address(server, client, **{"scope": "openid", "response_mode": "jwt", **asked}))
    answer = answer_of(browser)
    assert set(answer) == {"response"}
    return answer["response"]


class TestSection2_1:
    """The JWT response document."""

    @pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
    def test_it_is_signed_with_what_the_client_registered(self, server: Server, dora: Stopping, alg: str) -> None:
        client = registered(server, authorization_signed_response_alg=alg)

        claims = verified(server, response(server, dora, client), typ=TYP, audience=client.client_id, alg=alg)

        assert {"iss", "aud", "exp", "code", "state"} <= set(claims)
        assert time.time() < claims["exp"] <= time.time() + 600

    def test_an_error_comes_the_same_way(self, server: Server, dora: Stopping) -> None:
        client = server.clients["baseline"]
        given = response(server, dora, client, prompt="none login")

        claims = verified(server, given, typ=TYP, audience=client.client_id)

        assert claims["error"] == "invalid_request"
        assert "code" not in claims


class TestSection2_2:
    """Signing and encryption: signed first, then encrypted."""

    def test_the_code_is_inside_both(self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client) -> None:
        inside = receiver.opened(response(server, dora, sealing))

        claims = verified(server, inside, typ=TYP, audience=sealing.client_id)

        assert tokens(server, sealing, claims["code"]).status_code == 200

    def test_an_error_is_encrypted_too(
        self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client
    ) -> None:
        inside = receiver.opened(response(server, dora, sealing, prompt="none login"))

        assert verified(server, inside, typ=TYP, audience=sealing.client_id)["error"] == "invalid_request"

    def test_posted_it_is_the_same(self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client) -> None:
        where = address(server, sealing, scope="openid", response_mode="form_post.jwt")

        page = dora._http.get(where, follow_redirects=True).text

        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("<main")[1]))
        assert set(fields) == {"response"}
        assert f'action="{CALLBACK}"' in page
        assert "code" in verified(server, receiver.opened(fields["response"]), typ=TYP, audience=sealing.client_id)


class TestSection2_3:
    """Response modes."""

    @pytest.mark.parametrize("mode", ["fragment.jwt", "fragment", "web_message"])
    def test_a_mode_that_is_not_offered_is_an_error(self, server: Server, dora: Stopping, mode: str) -> None:
        dora.get(address(server, server.clients["baseline"], scope="openid", response_mode=mode))

        assert answer_of(dora)["error"] == "invalid_request"


class TestSection3:
    def test_the_metadata_says_what_can_be_registered(self, server: Server) -> None:
        told: dict[str, Any] = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert set(told["authorization_signing_alg_values_supported"]) == {"ES256", "PS256", "RS256"}
        assert set(told["authorization_encryption_alg_values_supported"]) == set(ALGORITHMS)
        assert told["authorization_encryption_enc_values_supported"] == ["A256GCM"]
        assert {"jwt", "query.jwt", "form_post.jwt"} <= set(told["response_modes_supported"])
        assert "fragment.jwt" not in told["response_modes_supported"]
