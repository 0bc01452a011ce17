"""Consent events and their projection, always written together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, literal, select, update

from base.database import Connection
from base.database.prepared import Prepared
from base.database.types import Instant
from consent.checks import Answer
from consent.store.tables import consent, consent_event

_KEY = (
    consent.c.citizen == bindparam("p_citizen"),
    consent.c.agency == bindparam("p_agency"),
    consent.c.purpose == bindparam("p_purpose"),
    consent.c.current,
)
_ITEM = ("citizen", "agency", "purpose", "category")
LAST = (
    select(func.max(consent_event.c.seq))
    .where(*(consent_event.c[name] == consent.c[name] for name in _ITEM))
    .scalar_subquery()
)
"""Beside each answer, in the same statement, the last that happened in its matter: its end, or the answer that took its
place, if its row was put back."""
ANSWER = (
    consent.c.category,
    consent.c.id,
    consent.c.state,
    consent.c.purpose_version,
    consent.c.expires_at,
    consent.c.once,
    LAST.label("last"),
    consent.c.seal,
)
"""The category, and what an `Answer` is made of, in its order."""
_ANSWERS = Prepared(select(*ANSWER).where(*_KEY))
_ANSWERS_LOCKED = Prepared(select(*ANSWER).where(*_KEY).with_for_update())
_REVISION = Prepared(select(func.max(consent_event.c.seq).label("revision")))
_EVENT = insert(consent_event).returning(consent_event.c.seq)


@dataclass(frozen=True, slots=True)
class Record:
    """One answer as the citizen sees it. `expiry_told`: its agencies know that its time was up."""

    id: str
    citizen: str
    agency: str
    purpose: str
    purpose_version: int
    category: str
    state: str
    current: bool
    at: datetime
    expires_at: datetime | None
    once: bool
    ended_at: datetime | None
    notice_hash: str
    language: str
    seq: int
    expiry_told: bool
    seal: bytes


def answers(
    connection: Connection, citizen: str, agency: str, purpose: str, *, lock: bool = False
) -> dict[str, Answer]:
    """The newest answers by category. `lock`: hold them until commit, so that a withdrawal waits or is seen."""
    statement = _ANSWERS_LOCKED if lock and connection.dialect.name != "sqlite" else _ANSWERS
    rows = statement.all(connection, {"p_citizen": citizen, "p_agency": agency, "p_purpose": purpose})
    return {row[0]: Answer(*row[1:]) for row in rows}


def last(connection: Connection, consent_id: str) -> int | None:
    """The number of the last event in its matter: of its own giving, while it counts."""
    return connection.execute(select(LAST).where(consent.c.id == consent_id)).scalar()


def revision(connection: Connection) -> int:
    """The place of the newest event."""
    return _REVISION.first(connection).revision or 0


def add_event(connection: Connection, event: dict[str, Any]) -> int:
    """Append; answers the event's place in the order."""
    return int(connection.execute(_EVENT, event).scalar_one())


def supersede(
    connection: Connection, citizen: str, agency: str, purpose: str, category: str, now: datetime
) -> Record | None:
    """The answer that counted until now no longer does; the next insert takes its place."""
    row = connection.execute(
        update(consent)
        .where(
            consent.c.citizen == citizen,
            consent.c.agency == agency,
            consent.c.purpose == purpose,
            consent.c.category == category,
            consent.c.current,
        )
        .values(current=False, seal=b"", ended_at=func.coalesce(consent.c.ended_at, literal(now, Instant)))
        .returning(*consent.c)
    ).first()
    return record_of(row) if row is not None else None


def add(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(consent), {**row, "expiry_told": False})


def end(connection: Connection, consent_id: str, citizen: str, now: datetime, state: str) -> Record | None:
    """End one consent: one conditional update, so that of two ends one is the first. None when it is no longer given.

    What has expired ended then, and ends no second time.
    """
    row = connection.execute(
        update(consent)
        .where(consent.c.id == consent_id, consent.c.citizen == citizen, *_given(now))
        .values(state=state, ended_at=now, seal=b"")
        .returning(*consent.c)
    ).first()
    return record_of(row) if row is not None else None


def given(
    connection: Connection, citizen: str, agency: str, now: datetime, purposes: Collection[str] | None = None
) -> list[str]:
    """Ids of what is given to one agency, for some purposes or for all."""
    where = [consent.c.citizen == citizen, consent.c.agency == agency, *_given(now)]
    if purposes is not None:
        where.append(consent.c.purpose.in_(purposes))
    return list(connection.execute(select(consent.c.id).where(*where)).scalars())


def given_by(connection: Connection, citizen: str, now: datetime) -> list[str]:
    """Ids of all that is given by one citizen."""
    return list(connection.execute(select(consent.c.id).where(consent.c.citizen == citizen, *_given(now))).scalars())


def given_ids(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Some of all that is given, whoever gave it."""
    return list(connection.execute(select(consent.c.id).where(*_given(now)).limit(limit)).scalars())


def owners(connection: Connection, consent_ids: Collection[str]) -> dict[str, str]:
    """Whose these consents are, of those that there are."""
    rows = connection.execute(select(consent.c.id, consent.c.citizen).where(consent.c.id.in_(consent_ids)))
    return {row.id: row.citizen for row in rows}


def of_citizen(connection: Connection, citizen: str, *, limit: int, before: int | None = None) -> list[Record]:
    """Newest first, ended ones too. `before`: only those older than this `seq`."""
    statement = select(consent).where(consent.c.citizen == citizen).order_by(consent.c.seq.desc()).limit(limit)
    rows = connection.execute(statement if before is None else statement.where(consent.c.seq < before))
    return [record_of(row) for row in rows]


def one(connection: Connection, consent_id: str, citizen: str) -> Record | None:
    """By id and owner together: another's record is as if it were not there."""
    row = connection.execute(select(consent).where(consent.c.id == consent_id, consent.c.citizen == citizen)).first()
    return record_of(row) if row is not None else None


def by_id(connection: Connection, consent_id: str) -> Record | None:
    """Whoever's it is: for operators alone."""
    row = connection.execute(select(consent).where(consent.c.id == consent_id)).first()
    return record_of(row) if row is not None else None


def of_agency(connection: Connection, consent_id: str, agency: str) -> Record | None:
    """By id and recipient together; None also once its citizen is forgotten."""
    mine = (consent.c.id == consent_id, consent.c.agency == agency, consent.c.citizen != "")
    row = connection.execute(select(consent).where(*mine)).first()
    return record_of(row) if row is not None else None


def events(connection: Connection, consent_id: str) -> list[dict[str, Any]]:
    """The life of one consent, oldest first."""
    rows = connection.execute(
        select(consent_event).where(consent_event.c.consent == consent_id).order_by(consent_event.c.seq)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name has the underscore


def record_of(row: Any) -> Record:
    """From a row of `consent`."""
    return Record(
        row.id,
        row.citizen,
        row.agency,
        row.purpose,
        row.purpose_version,
        row.category,
        row.state,
        row.current,
        row.at,
        row.expires_at,
        row.once,
        row.ended_at,
        row.notice_hash,
        row.language,
        row.seq,
        row.expiry_told,
        row.seal,
    )


def _given(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (consent.c.state == "given", consent.c.current, consent.c.expires_at > now)
