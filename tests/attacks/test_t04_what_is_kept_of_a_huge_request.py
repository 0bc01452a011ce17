"""T-04 (Authlib CVE-2025-61920): 100 MB where a token is expected are refused unread, and memory stays flat."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.fixtures.server import Server

HUNDRED_MB = 100 * 1024 * 1024
MOST_KB = 5 * 1024
_PIECE = b"A" * 65_536

FORM = b"content-type: application/x-www-form-urlencoded\r\n"
HEADS = {
    "an access token": b"GET /oauth2/userinfo HTTP/1.1\r\n%s\r\nauthorization: Bearer ",
    "a DPoP proof": b"POST /oauth2/token HTTP/1.1\r\n%s\r\n" + FORM + b"content-length: 0\r\ndpop: ",
    "a header's name": b"GET / HTTP/1.1\r\n%s\r\n",
    "many headers": b"GET / HTTP/1.1\r\n%s\r\n",
    "a request object in the address": b"GET /oauth2/authorize?client_id=x&request=",
    "an assertion": b"POST /oauth2/token HTTP/1.1\r\n%s\r\n"
    + FORM
    + b"content-length: 104857700\r\n\r\nclient_assertion=",
    "a request object in chunks": b"POST /oauth2/par HTTP/1.1\r\n%s\r\n"
    + FORM
    + b"transfer-encoding: chunked\r\n\r\n6400000\r\nrequest=",
    "a permit": b"POST /population/v1/releases HTTP/1.1\r\n%s\r\ncontent-type: application/json\r\ncontent-length: 104857700"
    b'\r\n\r\n{"permit": "',
    "a trailer": b"POST /oauth2/par HTTP/1.1\r\n%s\r\n"
    + FORM
    + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ",
}


def processes(server: Server) -> list[Path]:
    """The server's own and, on PostgreSQL, its workers'."""
    assert server.process is not None
    group = str(server.process.pid)
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [path for path in found if _group_of(path) == group]


def _group_of(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[2]
    except OSError:
        return ""


def peaks(server: Server, *, anew: bool) -> dict[str, int]:
    """The most memory that each process had, KB. `anew`: from now on."""
    found = {}
    for process in processes(server):
        if anew:
            (process / "clear_refs").write_text("5")
        status = (process / "status").read_text()
        found[process.name] = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    return found


def pour(server: Server, head: bytes, piece: bytes) -> bytes:
    """Send 100 MB behind `head`, as long as the server listens; what it says."""
    host = f"host: localhost:{server.port}".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as one:
        try:
            one.sendall(head % host if b"%s" in head else head)
            for _ in range(HUNDRED_MB // len(piece)):
                one.sendall(piece)
        except OSError:
            pass
        try:
            return one.recv(12)
        except OSError:
            return b""


def growth(server: Server, head: bytes, piece: bytes) -> tuple[bytes, int]:
    """What the server says to 100 MB behind `head`, and by how many KB the process that grew most grew meanwhile."""
    httpx2.get(f"{server.issuer}/health/live").raise_for_status()
    before = peaks(server, anew=True)
    assert before
    said = pour(server, head, piece)
    after = peaks(server, anew=False)
    return said, max(after[name] - before[name] for name in before)


@pytest.mark.parametrize("what", list(HEADS))
def test_t04_a_hundred_megabytes_are_refused_and_memory_stays_flat(server: Server, what: str) -> None:
    piece = b"a: b\r\n" * 8_000 if what == "many headers" else _PIECE

    said, grown = growth(server, HEADS[what], piece)
    if grown >= MOST_KB:
        # What a process happens to do for the first time (imports, its cleaning) is not what it keeps of a request: that
        # would grow again.
        said, grown = growth(server, HEADS[what], piece)

    assert grown < MOST_KB
    # Whoever still sends when the connection ends may not hear why.
    assert said in (b"", b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 414", b"HTTP/1.1 431")
    assert httpx2.get(f"{server.issuer}/health/live").status_code == 200


def test_t04_a_head_of_usual_size_is_served_however_it_arrives(server: Server) -> None:
    """In pieces of one byte, twice on one connection."""
    request = f"GET /health/live HTTP/1.1\r\nhost: localhost:{server.port}\r\nx-padding: {'p' * 9_000}\r\n\r\n".encode()

    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for at in range(0, len(request), 90):
                one.sendall(request[at : at + 90])
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += (piece := one.recv(4_096))
                assert piece
            assert answer.startswith(b"HTTP/1.1 200")


def test_t04_a_body_that_is_mostly_framing_is_still_read(server: Server) -> None:
    """Sixty thousand chunks of one byte: the framing is five times the body, and under the bound."""
    head = f"POST /oauth2/token HTTP/1.1\r\nhost: localhost:{server.port}\r\n".encode() + FORM
    body = b"grant_type=client_credentials&padding=".ljust(60_000, b"x")

    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as one:
        one.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        one.sendall(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert one.recv(4_096).startswith(b"HTTP/1.1 401")
