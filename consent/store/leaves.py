"""Pending leaves and their salts: two tables, so that a salt can be erased and the leaf stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert

from base.database import Connection
from consent.ledger import leaf
from consent.store.tables import leaf_salt, pending_leaf

_LEAF = insert(pending_leaf).returning(pending_leaf.c.seq)
_SALT = insert(leaf_salt)
_FORGET = delete(leaf_salt).where(leaf_salt.c.citizen == bindparam("p_citizen"))


@dataclass(frozen=True, slots=True)
class Pending:
    """A leaf that waits for its place in the tree. `seq`: its place in the queue."""

    hash: str
    seq: int


def add(connection: Connection, kind: str, content: Mapping[str, Any], *, citizen: str, now: datetime) -> Pending:
    """Write the leaf of one event in the event's own transaction. `citizen`: "" for an event about nobody."""
    made = leaf.make({"kind": kind, **content})
    seq = connection.execute(_LEAF, {"hash": made.hash, "kind": kind, "at": now}).scalar_one()
    row = {"leaf": made.hash, "citizen": citizen, "salt": made.salt, "content": made.content}
    connection.execute(_SALT, row)
    return Pending(made.hash, int(seq))


def forget(connection: Connection, citizen: str) -> int:
    """Erase a citizen's salts: their leaves stay in the tree and say nothing any more. Answers how many."""
    return connection.execute(_FORGET, {"p_citizen": citizen}).rowcount
