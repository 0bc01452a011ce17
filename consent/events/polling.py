"""Poll delivery (RFC 8936): settle, and answer what waits; if nothing does, wait a while for something."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from base.clock import Clock
from base.database import Connection, Database
from consent.events import sets, streams
from consent.store import event_streams
from consent.store.event_streams import Stream
from keys.ring import Ring

MOST = 100
"""Tokens in one answer."""
WAIT_S, LOOK_S = 8.0, 0.5
"""How long a poll waits when nothing does, and how often it looks meanwhile."""
WAITERS, OF_AGENCY = 64, 8
"""Polls that wait in one process, and those of one agency among them; the next one is answered at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    most: int
    at_once: bool
    acks: tuple[str, ...]
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Polled:
    """Tokens by jti, the oldest first; per citizen that is the order in which things happened."""

    sets: dict[str, str]
    more: bool


class Polling:
    def __init__(self, database: Database, ring: Ring, issuer: str, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._issuer = issuer
        self._clock = clock
        self._waiters: Counter[str] = Counter()

    async def poll(self, stream: str, agency: str, asked: Asked, gone: Callable[[], Awaitable[bool]]) -> Polled | None:
        """None when the agency has no such stream. `gone`: whether whoever asked has left."""

        def settle(connection: Connection) -> Stream | None:
            found = event_streams.find(connection, stream, agency)
            if found is not None:
                streams.settle(connection, stream, asked.acks, asked.errors, self._clock.now())
            return found

        def find(connection: Connection) -> Stream | None:
            return event_streams.find(connection, stream, agency)

        settles = bool(asked.acks or asked.errors)
        found = await (self._database.write(settle) if settles else self._database.read(find))
        if found is None:
            return None
        if asked.most == 0:
            some = await self._look(stream, agency, 1)
            return Polled({}, more=some is not None and bool(some.sets))
        polled = await self._look(stream, agency, asked.most)
        full = self._waiters.total() >= WAITERS or self._waiters[agency] >= OF_AGENCY
        if asked.at_once or polled is None or polled.sets or full:
            return polled
        self._waiters[agency] += 1
        try:
            for _ in range(int(WAIT_S / LOOK_S)):
                await asyncio.sleep(LOOK_S)
                if await gone():
                    break
                polled = await self._look(stream, agency, asked.most)
                if polled is None or polled.sets:
                    break
        finally:
            self._waiters[agency] -= 1
        return polled

    async def _look(self, stream: str, agency: str, most: int) -> Polled | None:
        """Looked up again each time: it may have been paused or removed meanwhile."""

        def unit(connection: Connection) -> Polled | None:
            found = event_streams.find(connection, stream, agency)
            if found is None:
                return None
            if found.status != streams.ENABLED:
                return Polled({}, more=False)
            now = self._clock.now()
            taken, more = streams.waiting(connection, stream, most)
            signed = {one.jti: sets.sign(self._ring, self._issuer, one, agency=agency, now=now) for one in taken}
            return Polled(signed, more)

        return await self._database.read(unit)
