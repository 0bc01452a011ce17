"""T-03 (Keycloak CVE-2026-11800): a JWT as a grant, with its algorithm swapped by a valid client. There is no such grant here."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from keys.digest import b64encode

if TYPE_CHECKING:
    from tests.fixtures.server import Server

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def tokens(server: Server) -> dict[str, str]:
    """A good one of the client's own key, one without a signature, and one under the public key as a secret."""
    client = server.clients["fapi2"]
    assert client.key is not None
    at = int(time.time())
    claims = {"iss": client.client_id, "sub": "anna", "aud": server.issuer, "exp": at + 60, "iat": at, "jti": "j"}
    body = b64encode(json.dumps(claims).encode())
    jwks = httpx2.get(f"{server.issuer}/oauth2/jwks").content

    def forged(alg: str, secret: bytes | None) -> str:
        signed = f"{b64encode(json.dumps({'alg': alg}).encode())}.{body}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret is not None else b""
        return f"{signed}.{b64encode(mac)}"

    return {
        "good": client.key.assertion(client.client_id, server.issuer),
        "none": forged("none", None),
        "HS256 by our keys": forged("HS256", jwks),
        "HS256 by its key": forged("HS256", json.dumps(client.key.public()).encode()),
    }


@pytest.mark.parametrize("kind", ["good", "none", "HS256 by our keys", "HS256 by its key"])
def test_t03_no_jwt_is_a_grant(server: Server, kind: str) -> None:
    client = server.clients["fapi2"]
    assert client.key is not None
    url = f"{server.issuer}/oauth2/token"
    form: dict[str, Any] = {
        "grant_type": GRANT,
        "assertion": tokens(server)[kind],
        "client_id": client.client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client.key.assertion(client.client_id, server.issuer),
    }

    done = httpx2.post(url, data=form, headers={"dpop": client.key.proof("POST", url)})

    assert (done.status_code, done.json()["error"]) == (400, "unsupported_grant_type")
    assert "access_token" not in done.text


def test_t03_it_is_neither_advertised_nor_registered(server: Server) -> None:
    metadata = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()
    file = {"client_name": "one", "agency": "municipality", "grant_types": [GRANT]}

    refused = server.run("client", "add", "--profile", "baseline", file=file, expect=1)

    assert GRANT not in metadata["grant_types_supported"]
    assert "grant_types" in json.dumps(refused)
