"""Operators' acts, which are only ever added to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import insert, select

from base.database import Connection
from consent.store.tables import act

_ADD = insert(act)


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(_ADD, row)


def of(connection: Connection, events: Collection[str]) -> list[dict[str, Any]]:
    """All of these kinds, in the order in which they were written."""
    found = connection.execute(select(act).where(act.c.event.in_(events)).order_by(act.c.seq))
    return [dict(row) for row in found.mappings()]
