"""The post: letters that the registry writes, in the message box that the provider can address. Off without one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from base.clock import Clock
from base.database import Connection, Database
from base.database.tables import outbox
from base.ids import identifier
from base.log import log
from base.outbox import Handler
from consent.letters import KIND, Letters
from idp.message_box import MessageBox

EVERY_S = 3_600
LEASE = "reminders"
TOLD = ("consent.given", "consent.refused", "consent.withdrawn")


class Post:
    def __init__(self, letters: Letters, box: MessageBox | None, database: Database, clock: Clock) -> None:
        self._letters = letters
        self._box = box
        self._database = database
        self._clock = clock
        self._holder = identifier()
        self._task: asyncio.Task[None] | None = None

    def handlers(self, others: Mapping[str, Handler]) -> dict[str, Handler]:
        """`others`, and after them the letters about what happened."""
        if self._box is None:
            return {**others, KIND: _nothing}
        return {**others, **{kind: self._after(others[kind]) for kind in TOLD}, KIND: self.deliver}

    async def deliver(self, message: dict[str, Any]) -> None:
        letter = await self._letters.read(message)
        if letter is not None and self._box is not None:
            await self._box.send(message["citizen"], asdict(letter))

    def start(self) -> None:
        if self._box is not None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hold(self, connection: Connection) -> bool:
        return outbox.lease(connection, LEASE, self._holder, self._clock.now(), EVERY_S)

    def _after(self, other: Handler) -> Handler:
        async def handle(event: dict[str, Any]) -> None:
            await other(event)
            await self._letters.happened(event)

        return handle

    async def _run(self) -> None:
        """One process at a time; each round looks at everybody."""
        while True:
            try:
                if await self._database.write(self._hold):
                    await self._letters.grown()
                    await self._letters.remind()
            except Exception as error:  # noqa: BLE001 - the loop outlives a database that is away for a while
                log.error("post.unavailable", error=type(error).__name__)
            await asyncio.sleep(EVERY_S)


async def _nothing(_message: dict[str, Any]) -> None:
    """The message box was taken away while letters waited."""
