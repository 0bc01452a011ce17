"""Notices at rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from base.database import Connection
from idp.store.tables import notice

MOST = 50


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    kind: str
    about: str
    at: datetime
    seen_at: datetime | None


def add(connection: Connection, citizen_id: str, one: Notice) -> None:
    row = {"id": one.id, "citizen": citizen_id, "kind": one.kind, "about": one.about, "at": one.at}
    connection.execute(insert(notice), row)


def of(connection: Connection, citizen_id: str) -> list[Notice]:
    """The latest first, at most 50."""
    statement = select(notice).where(notice.c.citizen == citizen_id).order_by(notice.c.at.desc(), notice.c.id)
    rows = connection.execute(statement.limit(MOST))
    return [Notice(row.id, row.kind, row.about, row.at, row.seen_at) for row in rows]


def seen(connection: Connection, citizen_id: str, now: datetime) -> None:
    """All that stand there now."""
    where = (notice.c.citizen == citizen_id, notice.c.seen_at.is_(None), notice.c.at <= now)
    connection.execute(update(notice).where(*where).values(seen_at=now))
