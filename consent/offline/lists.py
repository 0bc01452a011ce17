"""Token Status Lists (draft-ietf-oauth-status-list): 1 bit a consent, 1 when it holds no more.

A worker looks whether anything ended before it answers, at most `FRESH_S` after it looked last: whatever another worker
committed is in what this one says within a second. It reads only what ended since it looked, and a minute before: a
transaction that began earlier may have been committed later, and workers' clocks differ.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from base.clock import Clock
from base.database import Connection, Database
from consent.ledger.fence import Fence
from consent.store import statuses
from keys import jose
from keys.digest import b64encode
from keys.ring import Ring

PATH = "/status-lists"
TYP = "statuslist+jwt"
FRESH_S = 0.5
OVERLAP = timedelta(seconds=60)
WHOLE_S = 600.0
"""So often all of a list is read, and not only what ended lately: also what a clock that is further behind ended."""
TTL_S = 60
"""How long a verifier should keep a list."""
LIFE_S = 3600
"""After this a list says nothing any more: the longest that a verifier without a connection goes on."""
LEVEL = 6
"""Of zlib: 9 took seventeen times as long, nearly all of what a list costs, for a tenth less."""
KEPT = 64
"""Lists in memory: 4 MiB of bits."""


def address(issuer: str, number: int) -> str:
    return f"{issuer}{PATH}/{number}"


@dataclass(slots=True)
class _List:
    """`since`: what ended before it is in `bits`. `whole`: when all was read. `made_at`: of `token`, seconds since 1970."""

    bits: bytearray
    since: datetime | None = None
    whole: float = 0.0
    looked: float = 0.0
    made_at: int = 0
    kid: str = ""
    token: bytes = b""
    etag: str = ""
    stale: bool = True


class StatusLists:
    def __init__(self, database: Database, ring: Ring, fence: Fence, issuer: str, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._fence = fence
        self._issuer = issuer
        self._clock = clock
        self._lists: OrderedDict[int, _List] = OrderedDict()
        self._looking = asyncio.Lock()

    async def token(self, number: int) -> tuple[bytes, str] | None:
        """The signed list and its ETag. None: there is no such list, or the registry allows nothing at present."""
        async with self._looking:
            known = self._lists.get(number)
            if known is None or self._fence.reason is not None or time.monotonic() - known.looked >= FRESH_S:
                looked = time.monotonic()
                known = await self._database.read(lambda c: self._look(c, number))
                if known is None:
                    return None
                known.looked = looked
                self._lists[number] = known
                while len(self._lists) > KEPT:
                    self._lists.popitem(last=False)
            self._lists.move_to_end(number)
            return known.token, known.etag

    async def addresses(self) -> list[str]:
        """Of all lists; of none while the registry allows nothing."""

        def unit(connection: Connection) -> int | None:
            return statuses.newest(connection) if self._fence.is_open(connection) else None

        newest = await self._database.read(unit)
        return [address(self._issuer, number) for number in range(newest + 1)] if newest is not None else []

    def _look(self, connection: Connection, number: int) -> _List | None:
        newest = statuses.newest(connection)
        if newest is None or number > newest or not self._fence.is_open(connection):
            return None
        now = self._clock.now()
        known = self._lists.get(number) or _List(bytearray(statuses.SIZE // 8))
        if time.monotonic() - known.whole >= WHOLE_S:
            known.since, known.whole = None, time.monotonic()
        for idx in statuses.ended(connection, number, known.since):
            if idx == statuses.ALL:
                known.stale = known.stale or not all(known.bits)
                known.bits[:] = b"\xff" * len(known.bits)
                continue
            place, bit = idx >> 3, 1 << (idx & 7)
            known.stale = known.stale or not known.bits[place] & bit
            known.bits[place] |= bit
        known.since = now - OVERLAP
        at = int(now.timestamp())
        if known.stale or at - known.made_at >= TTL_S // 2 or known.kid != self._ring.active().kid:
            self._sign(known, number, at)
        return known

    def _sign(self, known: _List, number: int, at: int) -> None:
        key, uri = self._ring.active(), address(self._issuer, number)
        told: dict[str, Any] = {"bits": 1, "lst": b64encode(zlib.compress(bytes(known.bits), LEVEL))}
        told["aggregation_uri"] = f"{self._issuer}{PATH}"
        claims = {"iss": self._issuer, "sub": uri, "iat": at, "exp": at + LIFE_S, "ttl": TTL_S, "status_list": told}
        known.token = jose.sign(claims, key, typ=TYP).encode()
        known.etag = f'"{sha256(known.token).hexdigest()[:32]}"'
        known.made_at, known.kid, known.stale = at, key.kid, False
