"""T-16: a redirect URI is matched by exact string, and only safe ones are registered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest

from idp.authorization import verify_target
from idp.clients.registration import InvalidMetadata, register
from idp.errors import UnverifiedRequest
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from tests.fixtures.server import Server

GOOD = "https://agency.example/cb"
NEVER = [
    "", "/cb", "//agency.example/cb", "http://agency.example/cb", "https:///cb", "https://agency.example/cb#x", "javascript:alert(1)",
    "data:text/html,x", "https://*.agency.example/cb", "https://agency.example/*", "https://user@agency.example/cb",
    "https://agency.example./cb", "https://agency.example/../cb", "https://agency.example/%2e%2e/cb", "https://agency.example\\@evil.example/cb",
    "https://agency.example:port/cb", "https://agency%2eexample/cb", "https://agency.example/c b", "https://agency.example/cb\n",
    "https://agency.example/\tcb", "urn:x", "agency.example/cb", "ftp://agency.example/cb", "https://ágency.example/cb", "http://localhost/cb",
    "http://127.0.0.1/cb", "https://agency.example/./cb", "https://[::1", "custom:/cb", "https://a.example/\u202ecb",
]  # fmt: skip
OTHER = [
    f"{GOOD}/", f"{GOOD}?", f"{GOOD}?x=1", f"{GOOD}#", f"{GOOD}%20", f"{GOOD}/..", GOOD.upper(), "https://AGENCY.example/cb",
    "https://agency.example:443/cb", "https://agency.example/CB", "https://agency.example/cb%2f", "https://agency.example//cb",
    "https://agency.example/%63b", "https://evil.example/cb", "https://agency.example.evil.example/cb", "https://agency.example@evil.example/cb",
    "https://evil.example/?https://agency.example/cb", "http://agency.example/cb", " https://agency.example/cb", "https://agency.example/cb ",
    "https://agency.example/cb;x", "https://agency.example/cb\x00", "https://agency.example/cbx", "https://agency.example/c",
    "https://agency.example/", "https://agency.example", "https://sub.agency.example/cb", "https://agency.example/a/../cb",
    "https://agency.example/cb/../../evil", "//agency.example/cb", "https:/agency.example/cb", "https:agency.example/cb",
]  # fmt: skip


def metadata(uri: str) -> bytes:
    return json.dumps({"agency": "municipality", "client_name": "x", "redirect_uris": [uri]}).encode()


@pytest.mark.parametrize("uri", NEVER)
def test_t16_an_unsafe_redirect_uri_is_not_registered(uri: str) -> None:
    with pytest.raises(InvalidMetadata):
        register(metadata(uri), "baseline", development=False)


@pytest.mark.parametrize("uri", OTHER)
def test_t16_only_the_exact_string_matches(uri: str) -> None:
    client, _ = register(metadata(GOOD), "baseline", development=False)

    with pytest.raises(UnverifiedRequest):
        verify_target(client, {"redirect_uri": uri})


def test_the_registered_one_matches() -> None:
    client, _ = register(metadata(GOOD), "baseline", development=False)

    assert verify_target(client, {"redirect_uri": GOOD}) == GOOD


class TestOnTheWire:
    """The same sixty at the running server, with the registered URI of the fixture's client in place of GOOD."""

    def asked(self, uri: str) -> dict[str, str]:
        given = uri.replace("https://agency.example/cb", CALLBACK).replace("agency.example", "localhost:9")
        return {"response_type": "code", "scope": "openid", "redirect_uri": given}

    def test_t16_t17_authorize_answers_a_page_and_never_a_redirect(self, server: Server) -> None:
        client = server.clients["baseline"]
        assert len(NEVER) + len(OTHER) >= 60

        for uri in (*NEVER, *OTHER):
            form = {"client_id": client.client_id, "state": "s", "nonce": "n", **self.asked(uri)}
            for done in (
                httpx2.get(f"{server.issuer}/oauth2/authorize", params=form),
                httpx2.post(f"{server.issuer}/oauth2/authorize", data=form),
            ):
                assert done.status_code == 400, uri
                assert "location" not in done.headers, uri
                assert "localhost:9" not in done.text, uri

    def test_t16_a_pushed_request_is_refused(self, server: Server) -> None:
        client = server.clients["baseline"]

        for uri in (*NEVER, *OTHER):
            form = self.asked(uri)
            done = httpx2.post(f"{server.issuer}/oauth2/par", data=form, auth=(client.client_id, client.secret))
            assert (done.status_code, done.json()["error"]) == (400, "invalid_request"), uri

    def test_t16_software_cannot_register_an_unsafe_one(self, server: Server) -> None:
        invited = server.tell("client invite", agency="health-insurer", profile="baseline", uses=1, days=7)
        headers = {"authorization": f"Bearer {invited['initial_access_token']}"}

        # What the mode of development allows, it allows here: this machine alone.
        for uri in (one for one in NEVER if not one.startswith(("http://localhost", "http://127.0.0.1"))):
            body = {"redirect_uris": [uri]}
            done = httpx2.post(f"{server.issuer}/oauth2/register", json=body, headers=headers)
            assert (done.status_code, done.json()["error"]) == (400, "invalid_redirect_uri"), uri
