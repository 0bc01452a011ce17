"""The queue before the tree: commitments in the order in which they were written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select

from base.database import Connection
from base.database.prepared import Prepared
from consent.store.tables import pending_leaf

_ADD = Prepared(insert(pending_leaf).returning(pending_leaf.c.seq), ("commitment", "at", "tells"))
_OLDEST = (
    select(pending_leaf.c.seq)
    # True of all: so that the order is the index's for either planner.
    .where(pending_leaf.c.seq > 0)
    .order_by(pending_leaf.c.seq)
    .limit(bindparam("p_limit"))
)
_TAKE = (
    delete(pending_leaf)
    .where(pending_leaf.c.seq.in_(_OLDEST))
    .returning(pending_leaf.c.seq, pending_leaf.c.commitment, pending_leaf.c.tells)
)
_OLDEST_AT = select(func.min(pending_leaf.c.at), func.count())
_COMMITMENTS = select(pending_leaf.c.seq, pending_leaf.c.commitment).order_by(pending_leaf.c.seq)


@dataclass(frozen=True, slots=True)
class Pending:
    """`entry`: the commitment. `tells`: what the journal outside of the database must say of it."""

    seq: int
    entry: bytes
    tells: str | None


def add(connection: Connection, entry: bytes, at: datetime, tells: str | None) -> int:
    """Write one leaf in the event's own transaction; its place in the queue."""
    row = {"commitment": entry, "at": at, "tells": tells}
    return int(_ADD.first(connection, row).seq)


def are_waiting(connection: Connection) -> bool:
    return connection.execute(_OLDEST, {"p_limit": 1}).first() is not None


def take(connection: Connection, limit: int) -> list[Pending]:
    """The oldest leaves that are committed, out of the queue: one statement, so that none slips in between."""
    rows = connection.execute(_TAKE, {"p_limit": limit}).all()
    return [Pending(*row) for row in sorted(rows, key=lambda row: row[0])]


def waiting(connection: Connection) -> tuple[datetime | None, int]:
    """When the oldest that waits was written, and how many wait."""
    oldest, count = connection.execute(_OLDEST_AT).one()
    return oldest, count


def hashes(connection: Connection) -> dict[int, bytes]:
    """Commitments that wait, by their place in the queue: for an audit."""
    return {row[0]: row[1] for row in connection.execute(_COMMITMENTS)}


def remove(connection: Connection, seqs: list[int]) -> None:
    """They are in the tree already: reconciling found them there."""
    for start in range(0, len(seqs), 500):
        connection.execute(delete(pending_leaf).where(pending_leaf.c.seq.in_(seqs[start : start + 500])))
