"""Rows that were found altered behind our back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import altered_row

MOST = 1000
_ADD = {
    name: make(altered_row).on_conflict_do_nothing().returning(altered_row.c.row)
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}


@dataclass(frozen=True, slots=True)
class Altered:
    """`kind`: consent or permit. `row`: its id. `at`: when it was found first."""

    kind: str
    row: str
    at: datetime


def add(connection: Connection, kind: str, row: str, at: datetime) -> bool:
    """False when it was known."""
    return connection.execute(_ADD[connection.dialect.name], {"kind": kind, "row": row, "at": at}).first() is not None


def every(connection: Connection) -> list[Altered]:
    """The newest first, `MOST` of them."""
    rows = connection.execute(select(altered_row).order_by(altered_row.c.at.desc()).limit(MOST))
    return [Altered(row.kind, row.row, row.at) for row in rows]
