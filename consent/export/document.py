"""The export as one JSON document, written while it is read: its length is no matter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from consent.export.content import Export, Line, time

FORMAT = "regie export 1"


async def stream(export: Export) -> AsyncIterator[bytes]:
    """UTF-8. Each line of the export is a line of the text."""
    made = {"format": FORMAT, "issuer": export.issuer, "madeAt": time(export.registry.clock.now())}
    yield _open({**made, **await export.head()})
    for name, lines in (("consents", export.consents()), ("uses", export.uses())):
        yield b',\n"%s": [' % name.encode()
        async for piece in _joined(lines):
            yield piece
        yield b"]"
    yield b",\n" + msgspec.json.encode(await export.mentioned.members(export.registry))[1:] + b"\n"


def _open(members: Line) -> bytes:
    """An object that more members follow."""
    return msgspec.json.encode(members)[:-1]


async def _joined(lines: AsyncIterator[Line]) -> AsyncIterator[bytes]:
    first = True
    async for one in lines:
        yield (b"\n" if first else b",\n") + msgspec.json.encode(one)
        first = False
