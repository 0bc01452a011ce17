"""Pending leaves and their salts: two tables, so that a salt can be erased and the leaf stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from base.database import Connection
from consent.ledger import leaf
from consent.store.tables import leaf_salt, pending_leaf

_LEAF, _SALT = insert(pending_leaf), insert(leaf_salt)


def add(connection: Connection, kind: str, content: Mapping[str, Any], *, citizen: str, now: datetime) -> str:
    """Write the leaf of one event in the event's own transaction; answers its hash."""
    made = leaf.make({"kind": kind, **content})
    connection.execute(_LEAF, {"hash": made.hash, "kind": kind, "at": now})
    row = {"leaf": made.hash, "citizen": citizen, "salt": made.salt, "content": made.content}
    connection.execute(_SALT, row)
    return made.hash
