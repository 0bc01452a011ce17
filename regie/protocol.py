"""uvicorn's HTTP protocol with bounds on what it keeps of a request that is still arriving, and for how long.

httptools gathers the request line, each header and each trailer until it is whole, however long it gets, before the
application sees anything: a header of 100 MB took 200 MB of memory (T-04). Bodies are the application's to bound.
uvicorn waits for ever for a request that does not come, or comes byte by byte: each held a connection, until there were
no more (slow loris).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024
"""Bytes of a request line with its headers. The frame refuses more than 16 KB of headers with an answer of its own."""
MAX_HEADERS = 200
"""Headers and trailers of one message."""
MAX_AROUND = 1024 * 1024
"""Bytes of one message that are not body: the framing of chunks, six bytes for each byte at worst, and trailers."""
ARRIVE_S = 20
"""A request has arrived whole within this long of its first byte, and the first byte of the first within it of connecting;
or, since it is only looked now and then, within twice as long."""
_REFUSAL = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    _around = 0
    _headers = 0
    _in_head = True
    _awaited: float | None = None
    """Since when a request is awaited. None when one has arrived, or none has begun since."""
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._awaited = self.loop.time()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaited is None:
            self._awaited = self.loop.time()
        self._around += len(data)
        super().data_received(data)
        if self._around > (MAX_HEAD if self._in_head else MAX_AROUND):
            self._refuse()

    def on_message_begin(self) -> None:
        self._around, self._headers, self._in_head = 0, 0, True
        self._awaited = self.loop.time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        if self._headers > MAX_HEADERS:
            # To the parser, which stops here; uvicorn answers 400.
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._awaited = None
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._around -= len(body)
        super().on_body(body)

    def _look_later(self) -> None:
        if self._awaited is not None and self.loop.time() - self._awaited >= ARRIVE_S:
            self.transport.close()
        else:
            self._look = self.loop.call_later(ARRIVE_S, self._look_later)

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        under_way: RequestResponseCycle | None = self.cycle
        if self._in_head and (under_way is None or under_way.response_complete):
            self.transport.write(_REFUSAL)
        self.transport.close()
