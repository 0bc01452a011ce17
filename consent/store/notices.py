"""What was shown, kept once by its hash: texts of the catalogue, nothing of a person."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import notice

_KEEP = {
    "sqlite": sqlite_insert(notice).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(notice).on_conflict_do_nothing(),
}


def keep(connection: Connection, notice_hash: str, content: bytes) -> None:
    connection.execute(_KEEP[connection.dialect.name], {"hash": notice_hash, "content": content})


def find(connection: Connection, notice_hash: str) -> bytes | None:
    return connection.execute(select(notice.c.content).where(notice.c.hash == notice_hash)).scalar()
