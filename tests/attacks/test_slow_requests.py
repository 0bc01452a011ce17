"""Slow loris: a connection on which no request arrives is closed, however it is kept busy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from regie import protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WHOLE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"
SECONDS = 0.2


async def application(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "ARRIVE_S", SECONDS)
    config = uvicorn.Config(application, http=protocol.BoundedProtocol, lifespan="off", log_level="critical")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol.BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"x: y\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (WHOLE, b"\r\n"),
        (WHOLE + b"GET / HTTP/1.1\r\n", b"x: y\r\n"),
    ],
    ids=["silence", "head", "body", "chunks", "empty-lines-after-one", "second-head"],
)
async def test_a_request_that_does_not_come_holds_no_connection(port: int, begun: bytes, more: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def trickle() -> None:
        writer.write(begun)
        while True:
            writer.write(more)
            await asyncio.sleep(SECONDS / 10)

    busy = asyncio.create_task(trickle())
    try:
        closed = await asyncio.wait_for(_closed(reader), 20)
    finally:
        busy.cancel()
        writer.close()
    assert closed


async def test_who_asks_and_waits_and_asks_again_keeps_the_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(WHOLE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        await asyncio.sleep(SECONDS * 2.5)
    writer.close()


async def _closed(reader: asyncio.StreamReader) -> bool:
    """Once the server has closed, which is a reset when something that we sent was still unread."""
    try:
        await reader.read()
    except ConnectionResetError:
        return True
    return reader.at_eof()
