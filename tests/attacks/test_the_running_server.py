"""Attacks on a running server, by their numbers: what an attacker sends to the provider and to the web frame."""

from __future__ import annotations

import base64
import socket
from urllib.parse import urlencode

import httpx2
import pytest

from tests.fixtures.server import CALLBACK, Server

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def ask(server: Server, **changes: str) -> httpx2.Response:
    """An authorization request, as it is sent, not followed."""
    parameters = {
        "response_type": "code",
        "client_id": server.clients["baseline"].client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "s" * 22,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return httpx2.get(f"{server.issuer}/oauth2/authorize?{urlencode(parameters | changes)}")


def post_token(server: Server, **form: str) -> httpx2.Response:
    client = server.clients["service"]
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))


def send(server: Server, raw: bytes) -> bytes:
    """Bytes to the socket; what comes back until the server closes or 5 seconds pass."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(raw)
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except TimeoutError:
            pass
        return received


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://evil.example/cb"},
        {"client_id": "nobody", "scope": "bad", "redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "https://evil.example/cb", "prompt": "bad"},
    ],
)
def test_t17_an_error_never_leads_to_an_unverified_address(server: Server, changes: dict[str, str]) -> None:
    answer = ask(server, **changes)

    assert answer.status_code == 400
    assert "location" not in answer.headers
    # The language switch leads back to this address, with its query encoded.
    assert "https://evil.example" not in answer.text


@pytest.mark.parametrize("scope", ["x" * 50_000, " ".join(f"s{n}" for n in range(10_000))])
def test_t28_an_enormous_scope_is_refused(server: Server, scope: str) -> None:
    answer = post_token(server, grant_type="client_credentials", scope=scope)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"
    assert len(answer.content) < 500


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer a b", "bearer x", "Basic", "Basic ===", "DPoP", "x" * 4000, "Basic Og=="]
)
@pytest.mark.parametrize("path", ["/oauth2/userinfo", "/oauth2/introspect", "/oauth2/token", "/consent/v1/checks"])
def test_t29_a_malformed_authorization_is_401(server: Server, path: str, value: str) -> None:
    method = "GET" if path.endswith("userinfo") else "POST"
    form = {"data": {"token": "x", "grant_type": "client_credentials"}} if method == "POST" else {}
    if path.startswith("/consent"):
        form = {"json": {}}

    answer = httpx2.request(method, server.issuer + path, headers={"authorization": value}, **form)

    assert answer.status_code == 401


def test_t30_thousands_of_ranges_change_nothing(server: Server) -> None:
    page = httpx2.get(f"{server.issuer}/")
    style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    whole = httpx2.get(server.issuer + style)
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))

    assert httpx2.get(server.issuer + style, headers={"range": ranges}).content == whole.content


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "multipart/form-data", "text/plain"])
def test_t31_multipart_is_not_read(server: Server, kind: str) -> None:
    body = b"--x\r\n" + b"a: b\r\n" * 5000

    assert (
        httpx2.post(f"{server.issuer}/login/password", content=body, headers={"content-type": kind}).status_code == 415
    )


@pytest.mark.parametrize("body", [b"&".join(b"a%d=1" % n for n in range(10_000)), b"a=" + b"x" * 300_000])
def test_t32_a_million_fields_or_one_giant(server: Server, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert httpx2.post(f"{server.issuer}/oauth2/token", content=body, headers=headers).status_code in (400, 413)


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: -1",
        b"content-length: 1\r\ncontent-length: 2",
        b"content-length: 1e3",
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked, identity",
    ],
)
def test_t33_what_two_parsers_could_read_in_two_ways_ends_the_connection(server: Server, lines: bytes) -> None:
    host = f"localhost:{server.port}".encode()
    smuggled = b"GET /health/live HTTP/1.1\r\nhost: " + host + b"\r\n\r\n"

    answer = send(
        server, b"POST /oauth2/token HTTP/1.1\r\nhost: " + host + b"\r\n" + lines + b"\r\n\r\n0\r\n\r\n" + smuggled
    )

    assert b'"status":"ok"' not in answer
    assert b" 200 " not in answer.split(b"\r\n")[0]


def test_t34_a_content_type_made_for_backtracking(server: Server) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded;" + " " * 10_000 + '!="'}

    assert httpx2.post(f"{server.issuer}/oauth2/token", content=b"a=b", headers=headers).status_code in (401, 415)


@pytest.mark.parametrize(
    "path", ["/static/../regie.py", "/static/..%2f..%2fpyproject.toml", "/static/%2e%2e/x", "//etc/passwd", "/static/"]
)
def test_t37_no_path_leads_out_of_the_static_files(server: Server, path: str) -> None:
    answer = send(server, f"GET {path} HTTP/1.1\r\nhost: localhost:{server.port}\r\nconnection: close\r\n\r\n".encode())

    assert answer.split(b" ")[1] == b"404"


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:1", "localhost:{port}.evil.example", ""])
def test_t42_a_foreign_host_is_refused_and_nothing_is_built_of_it(server: Server, host: str) -> None:
    answer = httpx2.get(f"{server.issuer}/login", headers={"host": host.format(port=server.port)})

    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_t41_forwarded_headers_of_strangers_are_ignored(server: Server) -> None:
    headers = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "10.0.0.1",
        "forwarded": "host=evil.example",
    }
    answer = httpx2.get(f"{server.issuer}/oauth2/authorize", headers=headers)

    assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "path", ["/my/..;/oauth2/token", "/MY", "/my/", "/my%2fconsents", "/%6dy/../operator", "//my", "/my;x=1"]
)
def test_t44_no_spelling_of_a_path_opens_a_page(server: Server, path: str) -> None:
    answer = send(server, f"GET {path} HTTP/1.1\r\nhost: localhost:{server.port}\r\nconnection: close\r\n\r\n".encode())

    assert answer.split(b" ")[1] == b"404"


def test_an_unknown_client_and_a_wrong_secret_look_alike(server: Server) -> None:
    known = server.clients["service"].client_id
    answers = [
        httpx2.post(
            f"{server.issuer}/oauth2/token",
            data={"grant_type": "client_credentials"},
            headers={"authorization": "Basic " + base64.b64encode(f"{name}:wrong".encode()).decode()},
        )
        for name in (known, "nobody")
    ]

    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].json() == answers[1].json()
