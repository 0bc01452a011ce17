"""T-16: a redirect URI is matched by exact string, and only safe ones are registered."""

from __future__ import annotations

import json

import pytest

from idp.authorization import verify_target
from idp.clients.registration import InvalidMetadata, register
from idp.errors import UnverifiedRequest

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
