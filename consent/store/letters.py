"""What letters to citizens are made from: what happened at one moment, what stands, and who was last reminded when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, false, func, insert, literal_column, select, update

from base.database import Connection
from consent.acting import GUARDIAN
from consent.checks import GIVEN, REFUSED, WITHDRAWN
from consent.store.tables import consent, consent_event, reminder

_TOLD = (GIVEN, REFUSED, WITHDRAWN)
# A partial index is found by a value that stands in the statement.
_GUARDIAN: ColumnElement[str] = literal_column(f"'{GUARDIAN}'")
_BY_GUARDIAN = exists().where(
    consent_event.c.consent == consent.c.id, consent_event.c.type == GIVEN, consent_event.c.acting == _GUARDIAN
)


@dataclass(frozen=True, slots=True)
class Line:
    """One answer, or the end of one."""

    type: str
    agency: str
    purpose: str
    purpose_version: int
    category: str
    at: datetime
    expires_at: datetime | None
    once: bool
    language: str
    guardian: str = ""
    """Who pressed, where that was not himself; "" too once that one is forgotten."""
    by_guardian: bool = False


def together(connection: Connection, citizen: str, at: datetime) -> tuple[list[Line], int]:
    """What a citizen answered or stopped in one act, in its order; and the place of the last of it, 0 for nothing."""
    mine = (consent_event.c.citizen == citizen, consent_event.c.at == at, consent_event.c.type.in_(_TOLD))
    rows = connection.execute(select(consent_event).where(*mine).order_by(consent_event.c.seq)).all()
    lines = [_line(row, row.type, row.guardian, by_guardian=row.acting == GUARDIAN) for row in rows]
    return lines, rows[-1].seq if rows else 0


def standing(connection: Connection, citizen: str, now: datetime, limit: int) -> list[Line]:
    """What he allows now, newest first."""
    mine = (consent.c.citizen == citizen, *_stands(now))
    found = select(consent, _BY_GUARDIAN.label("by_guardian")).where(*mine).order_by(consent.c.seq.desc())
    rows = connection.execute(found.limit(limit))
    return [_line(row, row.state, by_guardian=row.by_guardian) for row in rows]


def bite(connection: Connection, after: str, now: datetime, limit: int) -> list[tuple[str, datetime]]:
    """The next citizens of whom something stands, by handle, each with when he last answered or was reminded of it."""
    newest = (
        select(consent.c.citizen, func.max(consent.c.at).label("at"))
        .where(consent.c.citizen > after, *_stands(now))
        .group_by(consent.c.citizen)
        .order_by(consent.c.citizen)
        .limit(limit)
    ).subquery()
    rows = connection.execute(
        select(newest.c.citizen, newest.c.at, reminder.c.at.label("reminded_at"))
        .outerjoin(reminder, reminder.c.citizen == newest.c.citizen)
        .order_by(newest.c.citizen)
    )
    return [(row.citizen, max(row.at, row.reminded_at or row.at)) for row in rows]


def left_by_guardians(connection: Connection, after: str, now: datetime, limit: int) -> list[str]:
    """The next citizens, by handle, of whom something stands that a guardian gave, and who were not told that it is theirs."""
    given = consent_event.join(consent, consent.c.id == consent_event.c.consent)
    found = (
        select(consent_event.c.citizen)
        .select_from(given.outerjoin(reminder, reminder.c.citizen == consent_event.c.citizen))
        .where(consent_event.c.acting == _GUARDIAN, consent_event.c.type == GIVEN, consent_event.c.citizen > after)
        .where(*_stands(now), func.coalesce(reminder.c.grown, false()).is_(false()))
        .distinct()
        .order_by(consent_event.c.citizen)
        .limit(limit)
    )
    return list(connection.execute(found).scalars())


def reminded(connection: Connection, citizen: str, now: datetime, *, grown: bool = False) -> None:
    """`grown`: of what a guardian gave, and that it is his now; from then on he knows."""
    values = {"at": now, **({"grown": True} if grown else {})}
    done = connection.execute(update(reminder).where(reminder.c.citizen == citizen).values(**values))
    if done.rowcount == 0:
        connection.execute(insert(reminder), {"citizen": citizen, "at": now, "grown": grown})


def _stands(now: datetime) -> Sequence[Any]:
    return (consent.c.state == GIVEN, consent.c.current, consent.c.expires_at > now)


def _line(row: Any, kind: str, guardian: str = "", *, by_guardian: bool = False) -> Line:
    return Line(
        kind,
        row.agency,
        row.purpose,
        row.purpose_version,
        row.category,
        row.at,
        row.expires_at,
        row.once,
        row.language,
        guardian,
        by_guardian,
    )
