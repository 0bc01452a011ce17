"""What was used of one citizen, as one agency may know it: where it was the source or the recipient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from base.database import Connection
from consent.store.tables import act, data_use


@dataclass(frozen=True, slots=True)
class Usage:
    recipient: str
    purpose: str
    purpose_version: int
    legal_basis: str
    at: datetime
    leaf: str
    permit: str


def find(
    connection: Connection,
    citizen: str,
    agency: str,
    *,
    start: datetime | None,
    end: datetime | None,
    offset: int,
    limit: int,
) -> tuple[int, list[Usage]]:
    """How many there are in the period, both ends included; and these, newest first."""
    where = [
        data_use.c.citizen == citizen,
        data_use.c.decision == "allowed",
        or_(data_use.c.source == agency, data_use.c.recipient == agency),
    ]
    if start is not None:
        where.append(data_use.c.at >= start)
    if end is not None:
        where.append(data_use.c.at <= end)
    total = connection.execute(select(func.count()).select_from(data_use).where(*where)).scalar_one()
    rows = connection.execute(
        select(data_use).where(*where).order_by(data_use.c.seq.desc()).offset(offset).limit(limit)
    )
    return total, [
        Usage(row.recipient, row.purpose, row.purpose_version, row.legal_basis, row.at, row.leaf, row.permit)
        for row in rows
    ]


def since(connection: Connection) -> datetime | None:
    """When the register began: its first act."""
    at: datetime | None = connection.execute(select(act.c.at).order_by(act.c.seq).limit(1)).scalar()
    return at
