"""Attacks on what carries authority: encrypted tokens, half hashes, verifiers left out, headers of strangers."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from sqlalchemy import create_engine, text

from agency import login
from agency.client import Client
from agency.errors import LoginFailed
from idp.profiles import ALGORITHMS_OF_SHA256, PROFILES
from idp.tokens import mint
from keys import algorithms
from keys.digest import b64encode
from tests.attacks.test_the_running_server import ask, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server


def five_parts(alg: str) -> str:
    """A well-formed JWE to a key of nobody's, whose RSA1_5 padding is right."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    header = b64encode(json.dumps({"alg": alg, "enc": "A256GCM", "kid": "x"}).encode())
    return ".".join([header, b64encode(key.encrypt(b"k" * 32, padding.PKCS1v15())), "aaaa", "bbbb", "cccc"])


@pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "dir", "ECDH-ES"])
def test_t08_an_encrypted_token_is_nonsense_like_any_other(server: Server, alg: str) -> None:
    client = server.clients["fapi2"].client_id
    given = [five_parts(alg), "a.b.c.d.e"]

    def assertion(value: str) -> tuple[int, Any]:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_id": client, "client_assertion": value}
        answer = httpx2.post(f"{server.issuer}/oauth2/token", data={**form, "client_assertion_type": kind})
        return answer.status_code, answer.json()

    def bearer(value: str) -> tuple[int, str]:
        answer = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers={"authorization": f"Bearer {value}"})
        return answer.status_code, answer.headers["www-authenticate"]

    first, second = (assertion(one) for one in given)
    assert first == second
    assert first[0] == 401
    assert bearer(given[0]) == bearer(given[1])
    assert "RSA1_5" not in httpx2.get(f"{server.issuer}/.well-known/openid-configuration").text


def test_t09_every_algorithm_of_an_id_token_has_a_half_hash() -> None:
    """at_hash is half a SHA-256: no algorithm of another hash can be chosen."""
    assert all(one.id_token_alg in one.response_signing <= ALGORITHMS_OF_SHA256 for one in PROFILES.values())
    assert set(algorithms.SIGNING) >= ALGORITHMS_OF_SHA256
    for alg in {*algorithms.SIGNING, "none", "HS256", ""} - ALGORITHMS_OF_SHA256:
        with pytest.raises(KeyError):
            mint.half_hash("x", alg)


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384"])
def test_t09_no_client_registers_another(server: Server, alg: str) -> None:
    file = {
        "client_name": "x",
        "agency": "municipality",
        "redirect_uris": ["http://localhost:9/callback"],
        "id_token_signed_response_alg": alg,
    }

    assert (
        "id_token_signed_response_alg"
        in server.run("client", "add", "--profile", "baseline", file=file, expect=1)["error"]
    )


def renamed(server: Server, old: str, new: str) -> None:
    statement = f"ALTER TABLE {{}}{old} RENAME TO {new}"
    url = server.environment.get("REGIE_DATABASE_URL")
    if url is None:
        with sqlite3.connect(server.directory / "idp.db", timeout=10) as connection:
            connection.execute(statement.format(""))
        connection.close()
        return
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement.format("idp.")))
    engine.dispose()


@contextmanager
def without(server: Server, table: str) -> Iterator[None]:
    """A part of the database is away."""
    renamed(server, table, "away")
    try:
        yield
    finally:
        renamed(server, "away", table)


def test_t18_a_revocation_that_was_not_stored_is_not_answered_200(server: Server) -> None:
    client = server.clients["service"]
    auth = (client.client_id, client.secret)
    form = {"grant_type": "client_credentials"}
    token = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).json()["access_token"]

    with without(server, "access_token"):
        answer = httpx2.post(f"{server.issuer}/oauth2/revoke", data={"token": token}, auth=auth)
    after = httpx2.post(f"{server.issuer}/oauth2/revoke", data={"token": token}, auth=auth)

    assert answer.status_code == 503
    assert "access_token" not in answer.text
    assert after.status_code == 200


def test_t38_line_breaks_reach_no_header(server: Server) -> None:
    answer = ask(server, state="a\r\nset-cookie: x=1\r\n\r\n<b>", prompt="none")
    redirected = httpx2.get(
        answer.headers["location"]
        if answer.headers["location"].startswith("http")
        else server.issuer + answer.headers["location"],
        cookies=dict(answer.cookies),
    )
    raw = send(
        server,
        f"GET /login?to=/my%0d%0aset-cookie:%20x=1 HTTP/1.1\r\nhost: localhost:{server.port}\r\nconnection: close\r\n\r\n".encode(),
    )

    assert "error=login_required" in redirected.headers["location"]
    assert "%0D%0Aset-cookie" in redirected.headers["location"]
    assert "x" not in redirected.cookies
    assert b"\r\nset-cookie: x=1" not in raw


def test_t38_nobody_writes_in_the_log() -> None:
    """In a process of its own, where the log goes to standard error as in service."""
    said = (
        r"""log.warning("request.failed", reason='x\n{"event":"forged"}\x1b[2J\u202e', client_id="\x1b]0;title\x07")"""
    )
    command = [sys.executable, "-c", f"from base.log import log\n{said}"]

    line = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stderr
    assert line.count("\n") == 1
    assert not set(line) & {"\x1b", "\x07", "\u202e"}
    assert json.loads(line)["event"] == "request.failed"


@pytest.mark.parametrize(
    "header", ["client-cert", "x-forwarded-client-cert", "x-ssl-client-cert", "ssl-client-cert", "x-client-verify"]
)
def test_t40_a_certificate_in_a_header_is_no_authentication(server: Server, header: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": server.clients["fapi2"].client_id}

    answer = httpx2.post(f"{server.issuer}/oauth2/token", data=form, headers={header: ":MIIB:"})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


class TestToolkit:
    """T-46: what an agency's site gets from us is bound to the browser that began."""

    async def test_t46_an_answer_without_its_beginning_is_refused(self) -> None:
        client = Client("http://localhost:1", "c", None, "s")
        began = {"regie_login": {"state": "s", "nonce": "n", "verifier": "v", "redirect_uri": "http://localhost:9/cb"}}
        query = {"state": "s", "iss": "http://localhost:1", "code": "of-the-attacker"}

        for session in ({}, {"regie_login": {**began["regie_login"], "state": "another"}}):
            with pytest.raises(LoginFailed, match="state"):
                await login.finish(client, session, query)
            assert session == {}
        with pytest.raises(LoginFailed, match="state"):
            await login.finish(client, dict(began), query | {"state": "é"})
        for changed in ({"iss": "http://evil.example"}, {"iss": ""}):
            with pytest.raises(LoginFailed, match="iss"):
                await login.finish(client, dict(began), query | changed)
        await client.http.aclose()

    async def test_t46_a_state_serves_once(self) -> None:
        client = Client("http://localhost:1", "c", None, "s")
        session: dict[str, Any] = {"regie_login": {"state": "s", "nonce": "n", "verifier": "v", "redirect_uri": "x"}}
        query = {"state": "s", "iss": "http://localhost:1", "error": "access_denied"}

        with pytest.raises(LoginFailed, match="access_denied"):
            await login.finish(client, session, query)
        with pytest.raises(LoginFailed, match="state"):
            await login.finish(client, session, query)
        await client.http.aclose()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/oauth2/token"),
        ("POST", "/oauth2/introspect"),
        ("POST", "/oauth2/revoke"),
        ("POST", "/oauth2/par"),
        ("GET", "/oauth2/userinfo"),
        ("POST", "/oauth2/userinfo"),
        ("GET", "/oauth2/grants/nothing"),
    ],
)
def test_two_authorization_headers_are_refused_whichever_of_them_is_good(
    server: Server, method: str, path: str
) -> None:
    client = server.clients["service"]
    good = f"Basic {base64.b64encode(f'{client.client_id}:{client.secret}'.encode()).decode()}"
    form = {"data": {"grant_type": "client_credentials", "token": "x"}} if method == "POST" else {}
    said = []
    for given in ((good, "Basic eDp5"), ("Bearer x", good)):
        answer = httpx2.request(method, server.issuer + path, headers=[("authorization", one) for one in given], **form)
        said.append((answer.status_code, answer.json()["error"]))

    assert said == [(400, "invalid_request")] * 2
