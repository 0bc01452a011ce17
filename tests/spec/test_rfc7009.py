"""RFC 7009, OAuth 2.0 Token Revocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.fixtures.counterparty import citizen, logged_in_tokens, registered, tokens
from tests.flows.test_independent_client import address, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return registered(server, grant_types=["authorization_code", "refresh_token"], userinfo_signed_response_alg="ES256")


def revoke(server: Server, client: Client, token: str, **more: str) -> httpx2.Response:
    form = {"token": token, **more}
    return httpx2.post(f"{server.issuer}/oauth2/revoke", data=form, auth=(client.client_id, client.secret))


def is_active(server: Server, client: Client, token: str) -> bool:
    auth = (client.client_id, client.secret)
    told: dict[str, Any] = httpx2.post(f"{server.issuer}/oauth2/introspect", data={"token": token}, auth=auth).json()
    return bool(told["active"])


def refreshed(server: Server, client: Client, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))


class TestSection2_1:
    """A revocation request ends the token, and what grew with it."""

    @pytest.mark.parametrize("hint", ["refresh_token", "access_token", "unknown_kind", ""])
    def test_a_refresh_token_takes_its_whole_family_along(
        self, server: Server, dora: Stopping, client: Client, hint: str
    ) -> None:
        first = logged_in_tokens(server, dora, client)
        second = refreshed(server, client, first["refresh_token"]).json()

        done = revoke(server, client, second["refresh_token"], **({"token_type_hint": hint} if hint else {}))

        assert done.status_code == 200
        assert not is_active(server, client, first["access_token"])
        assert not is_active(server, client, second["access_token"])
        assert refreshed(server, client, second["refresh_token"]).json()["error"] == "invalid_grant"

    def test_another_login_of_the_same_citizen_goes_on(self, server: Server, dora: Stopping, client: Client) -> None:
        ended, other = (logged_in_tokens(server, dora, client) for _ in range(2))

        revoke(server, client, ended["refresh_token"])

        assert is_active(server, client, other["access_token"])
        assert refreshed(server, client, other["refresh_token"]).status_code == 200

    def test_an_access_token_ends_alone(self, server: Server, dora: Stopping, client: Client) -> None:
        given = logged_in_tokens(server, dora, client)

        assert revoke(server, client, given["access_token"]).status_code == 200

        assert not is_active(server, client, given["access_token"])
        assert refreshed(server, client, given["refresh_token"]).status_code == 200

    def test_a_code_that_comes_twice_takes_its_family_along(
        self, server: Server, dora: Stopping, client: Client
    ) -> None:
        """RFC 6749 section 4.1.2."""
        dora.get(address(server, client, scope="openid"))
        code = answer_of(dora)["code"]
        given = tokens(server, client, code).json()
        child = refreshed(server, client, given["refresh_token"]).json()

        assert tokens(server, client, code).json()["error"] == "invalid_grant"

        for one in (given, child):
            assert not is_active(server, client, one["access_token"])
            assert refreshed(server, client, one["refresh_token"]).json()["error"] == "invalid_grant"


class TestSection2_2:
    """The response is 200 also for what is no token, and for what is another's."""

    def test_what_is_no_token_is_answered_200(self, server: Server, client: Client) -> None:
        for token in ("nonsense", "a.b.c", "x" * 43, "a.b.c.d.e"):
            done = revoke(server, client, token)
            assert (done.status_code, done.json()) == (200, {})

    def test_another_clients_token_lives_on(self, server: Server, dora: Stopping, client: Client) -> None:
        given = logged_in_tokens(server, dora, client)

        for token in (given["access_token"], given["refresh_token"]):
            assert revoke(server, server.clients["baseline"], token).status_code == 200

        assert is_active(server, client, given["access_token"])
        assert refreshed(server, client, given["refresh_token"]).status_code == 200


class TestSection2_2_1:
    """Error response: a type of token that cannot be revoked is said to be so."""

    def test_an_id_token_or_a_signed_answer_is_an_unsupported_type(
        self, server: Server, dora: Stopping, client: Client
    ) -> None:
        given = logged_in_tokens(server, dora, client)
        headers = {"authorization": f"Bearer {given['access_token']}"}
        told = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).text

        for token in (given["id_token"], told):
            done = revoke(server, client, token)
            assert (done.status_code, done.json()["error"]) == (400, "unsupported_token_type")

    def test_one_that_only_looks_like_it_is_no_token(self, server: Server, dora: Stopping, client: Client) -> None:
        head, body, signature = logged_in_tokens(server, dora, client)["id_token"].split(".")

        assert revoke(server, client, f"{head}.{body}.{signature[::-1]}").status_code == 200

    def test_without_a_token_it_is_an_invalid_request(self, server: Server, client: Client) -> None:
        assert revoke(server, client, "").json()["error"] == "invalid_request"

    def test_nobody_revokes_without_authentication(self, server: Server) -> None:
        done = httpx2.post(f"{server.issuer}/oauth2/revoke", data={"token": "x"})

        assert (done.status_code, done.json()["error"]) == (401, "invalid_client")
