"""What citizens wrote to agencies about a use, and what these answered. A state only goes forward.

`text` and `answer` are sealed: the caller seals and opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, literal, select, update

from base.database import Connection
from base.database.types import Instant
from consent.acting import GUARDIAN, SELF
from consent.store.tables import complaint

SENT, SEEN, ANSWERED = "sent", "seen", "answered"
OPEN = (SENT, SEEN)


@dataclass(frozen=True, slots=True)
class Stored:
    """`leaf`: of the use that it is about. `acting`: self or guardian, who wrote it."""

    id: str
    citizen: str
    agency: str
    leaf: str
    kind: str
    acting: str
    text: bytes
    state: str
    sent_at: datetime
    seen_at: datetime | None
    answered_at: datetime | None
    outcome: str | None
    answer: bytes | None
    read_at: datetime | None


_COLUMNS = [complaint.c[name] for name in Stored.__dataclass_fields__]


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(complaint), {**row, "state": SENT})


def count_open(connection: Connection, citizen: str, agency: str) -> int:
    where = (complaint.c.citizen == citizen, complaint.c.agency == agency, complaint.c.state.in_(OPEN))
    return connection.execute(select(func.count()).select_from(complaint).where(*where)).scalar_one()


def alike(connection: Connection, citizen: str, guardian: str, leaf: str, kind: str) -> list[tuple[str, bytes]]:
    """Id and text of those of this kind about this use that the same person wrote, and that wait for an answer."""
    mine = (complaint.c.citizen == citizen, complaint.c.guardian == guardian, complaint.c.leaf == leaf)
    waiting = (complaint.c.kind == kind, complaint.c.state.in_(OPEN))
    rows = connection.execute(select(complaint.c.id, complaint.c.text).where(*mine, *waiting))
    return [(row.id, row.text) for row in rows]


def of_citizen(connection: Connection, citizen: str, guardian: str, limit: int) -> list[Stored]:
    """Newest first. Of a child its guardian reads what he wrote himself; the child reads all."""
    rows = select(*_COLUMNS).where(*_his(citizen, guardian)).order_by(complaint.c.sent_at.desc(), complaint.c.id)
    return [Stored(*row) for row in connection.execute(rows.limit(limit))]


def of_guardian(connection: Connection, guardian: str, limit: int) -> list[Stored]:
    """What he wrote for children, newest first."""
    mine = (complaint.c.guardian == guardian, complaint.c.guardian != "")
    rows = select(*_COLUMNS).where(*mine).order_by(complaint.c.sent_at.desc(), complaint.c.id)
    return [Stored(*row) for row in connection.execute(rows.limit(limit))]


def one(connection: Connection, complaint_id: str, citizen: str, guardian: str) -> Stored | None:
    """By id and reader together: another's is as if it were not there."""
    found = connection.execute(
        select(*_COLUMNS).where(complaint.c.id == complaint_id, *_his(citizen, guardian))
    ).first()
    return Stored(*found) if found is not None else None


def _his(citizen: str, guardian: str) -> list[ColumnElement[bool]]:
    return [complaint.c.citizen == citizen, *([complaint.c.guardian == guardian] if guardian else [])]


def waiting(connection: Connection, agency: str, limit: int) -> list[Stored]:
    """What this agency has not answered, oldest first."""
    where = (complaint.c.agency == agency, complaint.c.state.in_(OPEN))
    rows = select(*_COLUMNS).where(*where).order_by(complaint.c.sent_at, complaint.c.id).limit(limit)
    return [Stored(*row) for row in connection.execute(rows)]


def of_agency(connection: Connection, complaint_id: str, agency: str) -> Stored | None:
    """By id and agency together."""
    row = connection.execute(select(*_COLUMNS).where(complaint.c.id == complaint_id, complaint.c.agency == agency))
    found = row.first()
    return Stored(*found) if found is not None else None


def see(connection: Connection, complaint_id: str, agency: str, now: datetime) -> None:
    """Once."""
    where = (complaint.c.id == complaint_id, complaint.c.agency == agency, complaint.c.state == SENT)
    connection.execute(update(complaint).where(*where).values(state=SEEN, seen_at=now))


def answer(connection: Connection, complaint_id: str, agency: str, *, outcome: str, text: bytes, now: datetime) -> bool:
    """True for the first answer. What was never fetched was seen by answering it."""
    where = (complaint.c.id == complaint_id, complaint.c.agency == agency, complaint.c.state.in_(OPEN))
    values = {"state": ANSWERED, "answered_at": now, "outcome": outcome, "answer": text}
    seen = func.coalesce(complaint.c.seen_at, literal(now, Instant))
    return connection.execute(update(complaint).where(*where).values(**values, seen_at=seen)).rowcount == 1


def unread(connection: Connection, citizen: str, guardian: str) -> int:
    """Answers that wait for who wrote, and were not read yet."""
    acting = GUARDIAN if guardian else SELF
    mine = (complaint.c.citizen == citizen, complaint.c.guardian == guardian, complaint.c.acting == acting)
    unread = (complaint.c.state == ANSWERED, complaint.c.read_at.is_(None))
    return connection.execute(select(func.count()).select_from(complaint).where(*mine, *unread)).scalar_one()


def read(connection: Connection, complaint_id: str, citizen: str, now: datetime) -> None:
    """Once."""
    where = (complaint.c.id == complaint_id, complaint.c.citizen == citizen, complaint.c.state == ANSWERED)
    connection.execute(update(complaint).where(*where, complaint.c.read_at.is_(None)).values(read_at=now))
