"""A client that can keep no secret (RFC 6749 section 2.1): an app on a phone, a page's script."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import pytest

from agency.client import Client
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import (
    VERIFIER,
    Stopping,
    address,
    answer_of,
    browser,
    logged_in,
)

if TYPE_CHECKING:
    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]
WORKERS = 4
"""Processes on PostgreSQL: what is asked at once reaches several."""


@pytest.fixture(scope="module")
def app(server: Server) -> Client:
    file = {"client_name": "app", "agency": "health-insurer", "token_endpoint_auth_method": "none"}
    file |= {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]}
    told = server.tell("client add", profile="baseline", file=file)
    assert "client_secret" not in told
    return Client(server.issuer, told["client_id"])


def call(server: Server, endpoint: str, client: Client, **form: str) -> httpx2.Response:
    return httpx2.post(f"{server.issuer}/oauth2/{endpoint}", data={"client_id": client.client_id, **form}, timeout=30)


def redeemed(server: Server, client: Client, browser: Stopping, **changes: str) -> httpx2.Response:
    browser.get(address(server, client, scope="openid"))
    form = {"grant_type": "authorization_code", "code": answer_of(browser)["code"], "redirect_uri": CALLBACK}
    return call(server, "token", client, **{**form, "code_verifier": VERIFIER, **changes})


def test_it_gets_its_tokens_by_its_name_and_verifier(server: Server, app: Client, logged_in: Stopping) -> None:
    done = redeemed(server, app, logged_in)

    assert done.status_code == 200
    assert {"access_token", "id_token", "refresh_token"} <= set(done.json())


@pytest.mark.parametrize("verifier", ["", "w" * 64])
def test_without_the_verifier_it_gets_nothing(server: Server, app: Client, logged_in: Stopping, verifier: str) -> None:
    """RFC 7636 section 4.6; T-14."""
    done = redeemed(server, app, logged_in, code_verifier=verifier)

    assert (done.status_code, done.json()["error"]) == (400, "invalid_grant")


def test_without_a_challenge_it_gets_no_code(server: Server, app: Client, logged_in: Stopping) -> None:
    logged_in.get(address(server, app, scope="openid", code_challenge="", code_challenge_method=""))

    assert answer_of(logged_in)["error"] == "invalid_request"


def test_whoever_shows_a_secret_for_it_is_refused(server: Server, app: Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    for auth in ((app.client_id, ""), (app.client_id, "x")):
        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).status_code == 401
    assert call(server, "token", app, **form, client_secret="x").json()["error"] == "invalid_client"
    assert call(server, "token", app, **form, client_secret="").json()["error"] == "invalid_client"


def test_the_name_of_a_client_with_a_secret_is_not_enough(server: Server, logged_in: Stopping) -> None:
    done = redeemed(server, server.clients["baseline"], logged_in)

    assert (done.status_code, done.json()["error"]) == (401, "invalid_client")


def test_it_pushes_and_revokes_but_introspects_nothing(server: Server, app: Client, logged_in: Stopping) -> None:
    """RFC 9126 section 2, RFC 7009 section 2.1, RFC 7662 section 2.1."""
    tokens = redeemed(server, app, logged_in).json()
    pushed = call(
        server, "par", app, response_type="code", redirect_uri=CALLBACK, scope="openid", code_challenge="x" * 43,
        code_challenge_method="S256",
    )  # fmt: skip
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}

    assert pushed.status_code == 201
    assert call(server, "introspect", app, token=tokens["access_token"]).status_code == 401
    assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 200
    assert call(server, "revoke", app, token=tokens["access_token"]).status_code == 200
    assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401


def test_it_has_nothing_of_its_own(server: Server, app: Client) -> None:
    done = call(server, "token", app, grant_type="client_credentials", scope="consent:check")

    assert done.json()["error"] == "unauthorized_client"


def test_discovery_says_where_it_may_call(server: Server) -> None:
    document = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert "none" in document["revocation_endpoint_auth_methods_supported"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]


def test_sixty_four_refreshes_leave_one_living_child(server: Server, app: Client, logged_in: Stopping) -> None:
    """RFC 9700 section 4.14.2."""
    first = redeemed(server, app, logged_in).json()["refresh_token"]

    def refresh(token: str) -> httpx2.Response:
        return call(server, "token", app, grant_type="refresh_token", refresh_token=token)

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: refresh(first), range(64)))

    assert {one.status_code for one in answers} == {200}
    (child,) = {one.json()["refresh_token"] for one in answers}
    grandchild = refresh(child).json()["refresh_token"]
    assert refresh(first).json()["error"] == "invalid_grant"
    assert refresh(grandchild).json()["error"] == "invalid_grant"


def test_the_asking_page_says_that_it_may_be_another(server: Server, logged_in: Stopping) -> None:
    """NL GOV OAuth 1.1 section 3.1.4."""
    file = {"client_name": "app", "agency": "health-insurer", "token_endpoint_auth_method": "none"}
    file |= {"redirect_uris": [CALLBACK], "scope": "openid birthdate", "purpose": "health-insurance"}
    told = server.tell("client add", profile="baseline", file=file)
    logged_in.get(address(server, Client(server.issuer, told["client_id"]), prompt="consent"))

    assert "zonder eigen geheim" in logged_in._http.get(logged_in.url).text
