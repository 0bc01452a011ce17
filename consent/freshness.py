"""Consistency tokens: what of the register an answer saw, as a text that only we can make.

An agency that was told something hands the token on, to whichever worker it asks next: the answer is from a state at
least that new, or there is none. On one database that is so anyway; a copy that lags, or a backup that was put back,
is found out here.
"""

from __future__ import annotations

import asyncio
import hmac
import struct
from collections.abc import Callable

from base.database import Database
from base.problems import Problem
from consent.store import records
from keys.digest import b64decode, b64encode

Mac = Callable[[str, bytes], bytes]

_PURPOSE, _MAC_BYTES = "consistency token", 16
PATTERN = r"[A-Za-z0-9_-]{32}"
"""8 bytes of a place among the events, and 16 of its code."""
PAUSE_S, WAIT_S = 0.05, 1.0


class Freshness:
    """`mac`: the ring's `pseudonyms.mac`."""

    def __init__(self, database: Database, mac: Mac) -> None:
        self._database = database
        self._mac = mac

    def token(self, revision: int) -> str:
        """32 characters."""
        place = struct.pack(">Q", revision)
        return b64encode(place + self._mac(_PURPOSE, place)[:_MAC_BYTES])

    async def reach(self, *unverified_tokens: str | None) -> None:
        """Wait until the register is as far as all of them say, a second at most.

        Problem 422 for no token of ours, 503 when it is not.
        """
        places = [self._place(one) for one in unverified_tokens if one is not None]
        if not places:
            return
        wanted = max(places)
        for _ in range(int(WAIT_S / PAUSE_S)):
            if await self._database.read(records.revision) >= wanted:
                return
            await asyncio.sleep(PAUSE_S)
        raise Problem(503, "The register here is older than atLeastAsFresh. Nothing was decided; try again.")

    def _place(self, unverified_token: str) -> int:
        raw = b64decode(unverified_token)
        place, code = raw[:8], raw[8:]
        if not hmac.compare_digest(code, self._mac(_PURPOSE, place)[:_MAC_BYTES]):
            raise Problem(
                422, errors=[{"in": "body", "location": "atLeastAsFresh", "detail": "is no consistencyToken of ours"}]
            )
        return int(struct.unpack(">Q", place)[0])
