"""RFC 8414, OAuth 2.0 Authorization Server Metadata: signed_metadata, and documents that follow the ring."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from jose import jwt as python_jose

from tests.fixtures.counterparty import header_of, keys_of, verified

if TYPE_CHECKING:
    from tests.fixtures.server import Server

TYP = "oauth-authorization-server+jwt"
DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@pytest.mark.parametrize("path", DOCUMENTS)
class TestSection2_1:
    """Signed metadata."""

    def test_it_says_what_the_document_says(self, server: Server, path: str) -> None:
        document = httpx2.get(server.issuer + path).json()
        signed = document.pop("signed_metadata")

        claims = verified(server, signed, typ=TYP, audience=None)

        assert claims.pop("iss") == server.issuer
        assert claims == document

    def test_a_library_that_did_not_sign_it_verifies_it(self, server: Server, path: str) -> None:
        signed = httpx2.get(server.issuer + path).json()["signed_metadata"]
        key = next(one for one in keys_of(server, "sig") if one["kid"] == header_of(signed)["kid"])

        assert python_jose.decode(signed, key, algorithms=["ES256"], issuer=server.issuer)["issuer"] == server.issuer

    def test_it_passes_for_no_token(self, server: Server, path: str) -> None:
        bearer = {"authorization": f"Bearer {httpx2.get(server.issuer + path).json()['signed_metadata']}"}

        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401

    def test_every_worker_gives_the_same_bytes_and_the_same_etag(self, server: Server, path: str) -> None:
        """On a connection of its own each, so that several processes answer."""
        seen = set()
        for _ in range(12):
            answer = httpx2.get(server.issuer + path)
            seen.add((answer.headers["etag"], answer.content))

        assert len(seen) == 1
        ((etag, _),) = seen
        assert httpx2.get(server.issuer + path, headers={"if-none-match": etag}).status_code == 304


def test_a_new_active_key_signs_the_metadata_within_a_second_on_every_worker(server: Server) -> None:
    before = httpx2.get(server.issuer + DOCUMENTS[0])

    rotated = server.run("keys", "rotate", "--alg", "ES256")
    time.sleep(1)
    kids = set()
    for _ in range(12):
        answer = httpx2.get(server.issuer + DOCUMENTS[0], headers={"if-none-match": before.headers["etag"]})
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        verified(server, told["signed_metadata"], typ=TYP, audience=None)
        kids.add(header_of(told["signed_metadata"])["kid"])

    assert kids == {rotated["active"]}
