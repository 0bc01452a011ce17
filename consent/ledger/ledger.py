"""The ledger of one house in one process: its parts, and the loop that keeps them going."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from base.clock import Clock
from base.database import Connection, Database, NoRoom
from base.fetch import Fetch
from base.log import log
from base.settings import Settings
from consent.ledger.checkpoint import origin_of
from consent.ledger.fence import Fence
from consent.ledger.journal import Journal
from consent.ledger.policy import read as read_policy
from consent.ledger.publish import Inclusion, Publisher
from consent.ledger.sequencer import Sequencer
from consent.ledger.witnesses import Witnesses
from consent.store import leaves
from keys.ring import Ring

TICK_S = 0.25
"""What is committed waits this long at most for its turn; then it is staged, on disk, and published."""
WAIT_S = 2
"""How long a receipt waits for its proof."""


class Ledger:
    def __init__(self, database: Database, ring: Ring, settings: Settings, clock: Clock) -> None:
        self._database = database
        self.keys = ring.ledger
        self.journal = Journal(settings.ledger_dir or settings.data_dir / "ledger")
        self.policy = read_policy(settings.ledger_policy)
        self.fence = Fence(self.journal, _file(settings), self.policy)
        origin = origin_of(settings.issuer)
        self.publisher = Publisher(self.keys, origin)
        self.sequencer = Sequencer(database, self.keys, self.journal, self.fence, clock, origin)
        self.witnesses = Witnesses(database, Fetch(settings), self.policy, self.publisher, self.fence, clock)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Prove, publish what waits, and go on for ever."""
        # Before anything is added: a tree that goes on from an older one would be another history.
        await self.witnesses.start()
        with suppress(NoRoom):
            # The round has looked before it could not write. What waits goes on waiting, as in a house that runs.
            await self.round()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        await self.witnesses.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> int:
        """Look, and sequence until nothing waits; how many leaves went into the tree."""
        total = 0
        while await self._database.read(self._look):
            count = await self.sequencer.step()
            if count is None:
                break
            total += count
        return total

    async def proof(self, leaf_hash: str, seq: int) -> str:
        """The proof for a leaf (C2SP tlog-proof). "" when none came.

        A leaf that was written just now is waited for, and so are those who cosign.
        """
        text = ""
        for _ in range(int(WAIT_S / TICK_S) + 1):
            found = await self._database.read(lambda c: self._inclusion(c, leaf_hash, seq))
            text = found.text if found is not None else ""
            if found is not None and (not self.policy.asks or self.publisher.is_cosigned(found.checkpoint)):
                break
            if self._task is None:
                break
            await asyncio.sleep(TICK_S)
        return text

    def proof_now(self, connection: Connection, leaf_hash: str, seq: int) -> str:
        """As `proof`, of what there is at this moment."""
        found = self._inclusion(connection, leaf_hash, seq)
        return found.text if found is not None else ""

    def _inclusion(self, connection: Connection, leaf_hash: str, seq: int) -> Inclusion | None:
        return self.publisher.inclusion(connection, leaf_hash, seq) if self.fence.reason is None else None

    def _look(self, connection: Connection) -> bool:
        """Whether there is anything to do; on the way the fence is proven and what is published is seen."""
        closed = self.fence.prove(connection)
        head = self.publisher.refresh(connection)
        unpublished = head is None or head.published_size != head.size
        return closed is None and (unpublished or leaves.are_waiting(connection))

    async def _run(self) -> None:
        while True:
            try:
                with suppress(NoRoom):
                    await self.round()
            except Exception as error:  # noqa: BLE001 - the loop outlives a database that is away for a while
                log.error("ledger.unavailable", error=type(error).__name__)
            await asyncio.sleep(TICK_S)


def _file(settings: Settings) -> Path | None:
    return settings.data_dir / "consent.db" if settings.is_sqlite else None
