"""Operators' acts, which are only ever added to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from base.database import Connection
from consent.store.tables import act

_ADD = insert(act)


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(_ADD, row)
