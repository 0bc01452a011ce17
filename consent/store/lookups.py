"""Look-ups of a citizen by who runs the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from base.database import Connection
from consent.store.tables import lookup


@dataclass(frozen=True, slots=True)
class Lookup:
    """`what`: one of consent.lookups.WHAT."""

    seq: int
    by: str
    what: str
    at: datetime
    leaf: str


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(lookup), row)


def of_citizen(connection: Connection, citizen: str, *, limit: int, before: int | None = None) -> list[Lookup]:
    """Newest first. `before`: only lines older than this one."""
    columns = (lookup.c.seq, lookup.c.by, lookup.c.what, lookup.c.at, lookup.c.leaf)
    statement = select(*columns).where(lookup.c.citizen == citizen).order_by(lookup.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(lookup.c.seq < before)
    return [Lookup(*row) for row in connection.execute(statement)]
