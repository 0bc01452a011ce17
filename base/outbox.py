"""The outbox: what must happen after a commit is written in that commit, and a worker makes it happen.

At least once, in order per key, with growing pauses; what fails too often is parked, visible to `regie doctor`, and
holds nothing else up. Different keys are delivered side by side: a receiver that is slow makes no other one wait long.
One process delivers at a time, by a lease in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from base.clock import Clock
from base.database import Connection, Database, NoRoom
from base.database.tables import outbox
from base.ids import identifier
from base.log import log

put = outbox.put
Handler = Callable[[dict[str, Any]], Awaitable[None]]

PAUSE_S = 0.5
LEASE_S = 10
ATTEMPTS = 12
"""With pauses doubling from 1 s to 1 hour: half a day."""
AT_ONCE, HANDLER_S = 16, 8
"""Messages under way, and how long one may take; less than the lease, so that no other process tries it meanwhile."""

Message = tuple[int, str, str, dict[str, Any], int]
"""Its place, key, kind and payload, and how often it was tried."""


class Worker:
    """Delivers the messages of one database by kind."""

    def __init__(self, database: Database, handlers: Mapping[str, Handler], clock: Clock) -> None:
        self._database = database
        self._handlers = handlers
        self._clock = clock
        self._holder = identifier()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def deliver(self) -> int:
        """One round: the oldest message of each key; answers how many were delivered."""
        if not await self._due() or not await self._hold():
            return 0
        keeper = asyncio.create_task(self._keep())
        try:
            # Read again: another process may have delivered these before it gave up the lease.
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(*message)) for message in await self._due()]
        finally:
            keeper.cancel()
        return sum(task.result() for task in tasks)

    async def _one(self, seq: int, _key: str, kind: str, payload: dict[str, Any], attempts: int) -> bool:
        try:
            async with self._slots, asyncio.timeout(HANDLER_S):
                await self._handlers[kind](payload)
        except Exception as error:  # noqa: BLE001 - the worker's loop outlives every handler
            log.warning("outbox.failed", kind=kind, seq=seq, error=type(error).__name__)
            await self._database.write(self._failure(seq, attempts + 1))
            return False
        await self._database.write(lambda c: outbox.done(c, seq))
        return True

    async def _due(self) -> list[Message]:
        now = self._clock.now()
        return await self._database.scan(lambda c: outbox.due(c, now, 100))

    async def _hold(self) -> bool:
        """The lease, for a while."""
        now = self._clock.now()
        return await self._database.write(lambda c: outbox.lease(c, "outbox", self._holder, now, LEASE_S))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            await self._hold()

    def _failure(self, seq: int, attempts: int) -> Callable[[Connection], None]:
        now = self._clock.now()
        due_at = now + timedelta(seconds=min(2**attempts, 3600))
        parked_at = now if attempts >= ATTEMPTS else None
        return lambda c: outbox.failed(c, seq, due_at=due_at, parked_at=parked_at)

    async def _run(self) -> None:
        while True:
            try:
                delivered = await self.deliver()
            except NoRoom:
                delivered = 0  # said once, by the database
            except Exception as error:  # noqa: BLE001 - as above: a database that is away comes back
                log.error("outbox.unavailable", error=type(error).__name__)
                delivered = 0
            await asyncio.sleep(0 if delivered else PAUSE_S)
