"""The sequencer: gives the leaves that wait their places in the tree, signs, and publishes. One at a time.

 1. stage: in one transaction, leaves leave the queue, tiles grow, and the head's checkpoint is exchanged for the new one
    if it is still the one that the work began from (compare-and-swap).
      Dies here: all of it is in the database or nothing. Nobody has seen the new checkpoint.
 2. journal: the checkpoint, its leaves and what they tell, on disk outside of the database.
      Dies here: the database contains what the journal says. The next round finds the checkpoint unpublished and goes on.
 3. publish: the head says that this checkpoint may leave the house.
      Dies here: it is published.

The next round begins with what is unpublished, so that recovering and running are the same code. The lease only saves
work: two that run together are kept apart by the head's row, and the journal takes no line twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from base.clock import Clock
from base.database import Connection, Database
from base.database.tables import outbox
from base.ids import identifier
from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import Checkpoint
from consent.ledger.fence import Fence
from consent.ledger.journal import Journal, Line
from consent.store import leaves, ledger
from consent.store.ledger import Batch, Head
from keys.ledger import LedgerKeys

LEASE_S = 2
MOST = 4096
"""Leaves in one checkpoint."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A checkpoint that is signed and in the database, to be published. `line`: for the journal."""

    size: int
    line: Line
    count: int


class Sequencer:
    """`origin`: the name of a log that begins now."""

    def __init__(
        self, database: Database, keys: LedgerKeys, journal: Journal, fence: Fence, clock: Clock, origin: str
    ) -> None:
        self._database = database
        self._keys = keys
        self._journal = journal
        self._fence = fence
        self._clock = clock
        self._origin = origin
        self._holder = identifier()

    async def step(self) -> int | None:
        """One round: how many leaves went into the tree. None when there was nothing to do here."""
        staged = await self._database.write(self._stage)
        if staged is None:
            return None
        await asyncio.to_thread(self._journal.append, staged.line)
        await self._database.write(lambda c: ledger.publish(c, staged.size, staged.line.note))
        return staged.count

    def release(self, connection: Connection) -> None:
        """Another may begin at once."""
        outbox.release(connection, "ledger", self._holder)

    def _stage(self, connection: Connection) -> Staged | None:
        if not outbox.lease(connection, "ledger", self._holder, self._clock.now(), LEASE_S):
            return None
        if self._fence.prove(connection) is not None:
            # Nothing is signed that might contradict what left the house.
            return None
        head = ledger.head(connection, lock=True)
        if head is None:
            note = self._keys.sign(self._origin, Checkpoint(self._origin, 0, merkle.EMPTY).text)
            ledger.begin(connection, self._origin, merkle.EMPTY, note)
            return self._unpublished(connection, ledger.head(connection, lock=True))
        if head.published_size != head.size:
            return self._unpublished(connection, head)
        return self._grow(connection, head)

    def _grow(self, connection: Connection, head: Head) -> Staged | None:
        taken = leaves.take(connection, MOST)
        if not taken:
            return None
        edge = ledger.tiles(connection, tiles.edge(head.size))
        growth = tiles.grow(head.size, [one.entry for one in taken], lambda level, n: edge[level, n])
        note = self._keys.sign(head.origin, Checkpoint(head.origin, growth.size, growth.root).text)
        tells = [one.tells for one in taken if one.tells is not None]
        ledger.put_tiles(connection, growth.tiles)
        batch = Batch(head.size, growth.size, taken[0].seq, taken[-1].seq, self._clock.now())
        ledger.add_batch(connection, batch)
        if not ledger.swap(connection, head, size=growth.size, root=growth.root, note=note, tells=tells):
            raise RuntimeError("the head moved while it was locked")
        line = Line(note, head.size, b"".join(one.entry for one in taken), tells)
        return Staged(growth.size, line, len(taken))

    def _unpublished(self, connection: Connection, head: Head | None) -> Staged:
        """What a process that died had staged. What it tells is known when the journal was not further behind."""
        assert head is not None
        last = self._journal.last()
        first = last.checkpoint.size if last is not None else 0
        entries = _entries(connection, min(first, head.size), head.size)
        complete = first == max(head.published_size, 0)
        return Staged(head.size, Line(head.note, first, entries, list(head.tells) if complete else None), 0)


def _entries(connection: Connection, start: int, end: int) -> bytes:
    """Commitments from the tiles."""
    found = []
    for n in range(start // tiles.WIDTH, -(-end // tiles.WIDTH)):
        whole = ledger.tile(connection, tiles.ENTRIES, n)
        at = n * tiles.WIDTH
        found.append(whole[max(start - at, 0) * tiles.HASH : (end - at) * tiles.HASH])
    return b"".join(found)
