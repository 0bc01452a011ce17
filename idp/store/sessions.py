"""Sessions at rest, and the browsers in which a citizen was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from base.database import Connection
from base.database.prepared import Prepared
from idp.store.people import StoredCitizen
from idp.store.tables import citizen, device, notice, session


@dataclass(frozen=True, slots=True)
class StoredSession:
    """`binds`: what a way to log in that is added in it may be worth."""

    id: str
    citizen: str
    acr: str
    binds: str
    amr: list[str]
    device: str
    auth_time: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """An open session with its citizen, and how many notices the citizen has not seen."""

    session: StoredSession
    citizen: StoredCitizen
    notices: int


_OF_A_LOGIN = ("acr", "binds", "amr", "device", "auth_time", "seen_at")
_ADD = insert(session)
_RENEW = (
    update(session)
    .where(
        session.c.digest == bindparam("p_old"),
        session.c.citizen == bindparam("p_citizen"),
        session.c.ended_at.is_(None),
    )
    .values(digest=bindparam("p_new"), **{name: bindparam(f"v_{name}") for name in _OF_A_LOGIN})
    .returning(session.c.id)
)
_UNSEEN = (
    select(func.count(notice.c.id))
    .where(notice.c.citizen == session.c.citizen, notice.c.seen_at.is_(None))
    .correlate(session)
    .scalar_subquery()
    .label("notices")
)
_FIND = Prepared(
    select(session, citizen.c.state, citizen.c.proofing, citizen.c.wrapped_key, citizen.c.person, _UNSEEN)
    .select_from(session.join(citizen, citizen.c.id == session.c.citizen))
    .where(session.c.digest == bindparam("p_digest"), session.c.ended_at.is_(None))
)
_HOLD = Prepared(
    select(session.c.id).where(session.c.id == bindparam("p_id"), session.c.ended_at.is_(None)).with_for_update()
)
_OPEN = select(session).where(session.c.citizen == bindparam("p_citizen"), session.c.ended_at.is_(None))


def add(connection: Connection, digest: str, one: StoredSession) -> None:
    row = {name: getattr(one, name) for name in ("id", "citizen", *_OF_A_LOGIN)}
    connection.execute(_ADD, {"digest": digest, **row})


def renew(connection: Connection, old: str, new: str, one: StoredSession) -> str | None:
    """Give an open session of this citizen another cookie and a new login event; answers its id, which stays.

    `old`, `new`: digests. None when there is no such session.
    """
    values = {f"v_{name}": getattr(one, name) for name in _OF_A_LOGIN}
    found: str | None = connection.execute(
        _RENEW, {"p_old": old, "p_citizen": one.citizen, "p_new": new, **values}
    ).scalar()
    return found


def find(connection: Connection, digest: str) -> Found | None:
    """By the digest of its cookie. Its age is the caller's to judge."""
    row = _FIND.first(connection, {"p_digest": digest})
    if row is None:
        return None
    citizen_row = StoredCitizen(row.citizen, row.wrapped_key, row.person, "", row.state, row.proofing)
    return Found(_stored(row), citizen_row, row.notices)


def hold(connection: Connection, session_id: str) -> bool:
    """Whether it is open; it stays so until the commit, since whoever ends it waits."""
    return _HOLD.first(connection, {"p_id": session_id}) is not None


def see(connection: Connection, session_id: str, now: datetime) -> None:
    connection.execute(update(session).where(session.c.id == session_id).values(seen_at=now))


def open_of(connection: Connection, citizen_id: str) -> list[StoredSession]:
    """Those that nobody has ended, the latest seen first; some may be too old."""
    statement = _OPEN.order_by(session.c.seen_at.desc(), session.c.id)
    return [_stored(row) for row in connection.execute(statement, {"p_citizen": citizen_id})]


def citizen_of(connection: Connection, session_id: str) -> str | None:
    """Of an open session."""
    where = (session.c.id == session_id, session.c.ended_at.is_(None))
    return connection.execute(select(session.c.citizen).where(*where)).scalar()


def of_cookie(connection: Connection, digest: str) -> tuple[str, str] | None:
    """Id and citizen of an open session."""
    where = (session.c.digest == digest, session.c.ended_at.is_(None))
    row = connection.execute(select(session.c.id, session.c.citizen).where(*where)).first()
    return (row.id, row.citizen) if row is not None else None


def end(connection: Connection, session_id: str, citizen_id: str, now: datetime) -> bool:
    """True for who ends it."""
    where = (session.c.id == session_id, session.c.citizen == citizen_id, session.c.ended_at.is_(None))
    return connection.execute(update(session).where(*where).values(ended_at=now)).rowcount == 1


def meet_device(connection: Connection, digest: str, citizen_id: str, now: datetime) -> bool:
    """A citizen is seen in a browser; whether that is news: not the first of all browsers, and not one seen before."""
    where = (device.c.digest == digest, device.c.citizen == citizen_id)
    if connection.execute(update(device).where(*where).values(seen_at=now)).rowcount == 1:
        return False
    known = connection.execute(select(device.c.digest).where(device.c.citizen == citizen_id).limit(1)).first()
    connection.execute(insert(device), {"digest": digest, "citizen": citizen_id, "seen_at": now})
    return known is not None


def _stored(row: Any) -> StoredSession:
    return StoredSession(row.id, row.citizen, row.acr, row.binds, row.amr, row.device, row.auth_time, row.seen_at)
