"""What recipients said of permits that were taken, and which of these they were silent about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from base.database import Connection
from consent.store.tables import permit, use_report

COUNTED = 10_000
"""Up to which those that were not said of are counted."""


@dataclass(frozen=True, slots=True)
class Closed:
    """`at`, `outcome`: None while nothing was said."""

    citizen: str
    at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Silent:
    """A permit that was taken and of which its recipient said nothing; of which citizen is not told."""

    permit: str
    recipient: str
    source: str
    purpose: str
    redeemed_at: datetime


def find(connection: Connection, permit_id: str, recipient: str) -> Closed | None:
    """By id and recipient together: another's permit is as if it were not there, and so is what is nobody's to tell."""
    mine = (permit.c.id == permit_id, permit.c.recipient == recipient)
    nobodys = permit.c.closed_at.is_not(None) & permit.c.outcome.is_(None)
    row = connection.execute(
        select(permit.c.citizen, permit.c.closed_at, permit.c.outcome).where(*mine, ~nobodys)
    ).first()
    return Closed(*row) if row is not None else None


def close(connection: Connection, permit_id: str, outcome: str, now: datetime) -> bool:
    """Once, when it was taken or has expired: one conditional update. False when any of that fails."""
    over = or_(permit.c.redeemed_at.is_not(None), permit.c.expires_at <= now)
    done = connection.execute(
        update(permit)
        .where(permit.c.id == permit_id, permit.c.closed_at.is_(None), over)
        .values(closed_at=now, outcome=outcome)
        .returning(permit.c.id)
    ).first()
    return done is not None


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(use_report), row)


def silent(connection: Connection, before: datetime, *, limit: int, recipient: str | None = None) -> list[Silent]:
    """Taken at `before` or earlier; the oldest first."""
    where = [permit.c.redeemed_at.is_not(None), permit.c.closed_at.is_(None), permit.c.redeemed_at <= before]
    if recipient is not None:
        where.append(permit.c.recipient == recipient)
    rows = connection.execute(
        select(permit.c.id, permit.c.recipient, permit.c.source, permit.c.purpose, permit.c.redeemed_at)
        .where(*where)
        .order_by(permit.c.redeemed_at)
        .limit(limit)
    )
    return [Silent(*row) for row in rows]


def count_silent(connection: Connection, before: datetime) -> int:
    """Up to `COUNTED`."""
    where = (permit.c.redeemed_at.is_not(None), permit.c.closed_at.is_(None), permit.c.redeemed_at <= before)
    some = select(permit.c.id).where(*where).limit(COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()
