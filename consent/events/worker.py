"""What events need while a server runs: telling of consents whose time is up, pushing, forgetting what was taken, or was not, long ago.

Beside them the catalogue is watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from base.clock import Clock
from base.database import Database, NoRoom
from base.database.cleaning import Cleaner
from base.log import log
from consent.believed import Watch
from consent.events import lost, tell
from consent.events.push import Pusher
from consent.store import events
from keys.derive import Pseudonyms

PAUSE_S = 0.5
LOSE_EVERY = timedelta(hours=1)


class EventWorker:
    """On every process: what it does is done once, whoever does it."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms, clock: Clock, pusher: Pusher) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._pusher = pusher
        self._watch = Watch(database, pseudonyms, clock)
        self._cleaner = Cleaner(database, events.RULES, clock)
        self._losing_next = clock.now()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._cleaner.start()
        works = (self.expire, self.lose, self._pusher.round, self._watch.round)
        self._tasks = [asyncio.create_task(_ever(work)) for work in works]

    async def stop(self) -> None:
        await self._cleaner.stop()
        for one in self._tasks:
            one.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pusher.stop()

    async def expire(self) -> int:
        """One round: until nobody's time is up. How many consents were told of."""
        total = 0
        while await self._database.scan(lambda c: events.are_expired(c, self._clock.now())):
            done = await self._database.write(lambda c: tell.expire(c, self._pseudonyms, self._clock.now()))
            total += done
            if not done:
                break
        return total

    async def lose(self) -> int:
        """Now and then: delete what nobody took, and leave word of it. How many events that were."""
        now, total = self._clock.now(), 0
        if now < self._losing_next:
            return 0
        while await self._database.scan(lambda c: lost.is_any(c, now)):
            done = await self._database.write(lambda c: lost.drop(c, now))
            total += done
            if not done:
                break
        self._losing_next = now + LOSE_EVERY
        return total


async def _ever(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except NoRoom:
            pass  # said once, by the database
        except Exception as error:  # noqa: BLE001 - the loop outlives a database that is away for a while
            log.error("events.unavailable", error=type(error).__name__)
        await asyncio.sleep(PAUSE_S)
