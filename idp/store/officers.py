"""Officers at rest: each has at most one invitation, one passkey and one session, in a row of his own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, select, update

from base.database import Connection
from base.database.prepared import Prepared
from base.ids import identifier
from idp.store.tables import officer

_OF_SESSION = Prepared(select(officer).where(officer.c.session == bindparam("p_session"), officer.c.ended_at.is_(None)))
_NO_SESSION: dict[str, None] = {"session": None, "auth_time": None}


@dataclass(frozen=True, slots=True)
class StoredOfficer:
    """`credential_id` and what follows it are None until the invitation was used."""

    id: str
    name: str
    role: str
    invited_until: datetime | None
    credential_id: str | None
    public_key: bytes | None
    sign_count: int | None
    device_bound: bool | None
    auth_time: datetime | None
    seen_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


def invite(connection: Connection, name: str, role: str, invitation: str, until: datetime, now: datetime) -> str:
    """A new officer, or another invitation for one who has lost the passkey; answers the id. `invitation`: a digest."""
    values = {"role": role, "invitation": invitation, "invited_until": until}
    known = update(officer).where(officer.c.name == name, officer.c.ended_at.is_(None)).values(values)
    found: str | None = connection.execute(known.returning(officer.c.id)).scalar()
    if found is None:
        found = identifier()
        connection.execute(insert(officer), {"id": found, "name": name, "created_at": now, **values})
    return found


def of_invitation(connection: Connection, invitation: str, now: datetime) -> StoredOfficer | None:
    return _one(connection, officer.c.invitation == invitation, officer.c.invited_until > now)


def of_credential(connection: Connection, credential_id: str) -> StoredOfficer | None:
    return _one(connection, officer.c.credential_id == credential_id)


def of_session(connection: Connection, session: str) -> StoredOfficer | None:
    """By the digest of the cookie. Its age is the caller's to judge."""
    row = _OF_SESSION.first(connection, {"p_session": session})
    return _officer(row) if row is not None else None


def enrol(
    connection: Connection, officer_id: str, invitation: str, passkey: dict[str, Any], session: str, now: datetime
) -> bool:
    """Use the invitation up. The passkey and the session that there were before end with it."""
    where = (
        officer.c.id == officer_id,
        officer.c.invitation == invitation,
        officer.c.invited_until > now,
        officer.c.ended_at.is_(None),
    )
    used = {"invitation": None, "invited_until": None, "session": session, "auth_time": now, "seen_at": now}
    return connection.execute(update(officer).where(*where).values(**passkey, **used)).rowcount == 1


def log_in(
    connection: Connection, officer_id: str, credential_id: str, was: int, count: int, session: str, now: datetime
) -> bool:
    """Move the counter on, if it is still what was verified against; the session before ends."""
    where = (
        officer.c.id == officer_id,
        officer.c.credential_id == credential_id,
        officer.c.sign_count == was,
        officer.c.ended_at.is_(None),
    )
    values = {"sign_count": count, "session": session, "auth_time": now, "seen_at": now}
    return connection.execute(update(officer).where(*where).values(values)).rowcount == 1


def see(connection: Connection, session: str, now: datetime) -> None:
    connection.execute(update(officer).where(officer.c.session == session).values(seen_at=now))


def leave(connection: Connection, session: str) -> str | None:
    """End the session; answers whose it was."""
    left: str | None = connection.execute(
        update(officer).where(officer.c.session == session).values(_NO_SESSION).returning(officer.c.id)
    ).scalar()
    return left


def end(connection: Connection, name: str, now: datetime) -> str | None:
    """For ever: invitation, passkey and session are gone. Answers the id of who was there to end."""
    gone = {"invitation": None, "invited_until": None, "credential_id": None, "public_key": None, **_NO_SESSION}
    ended: str | None = connection.execute(
        update(officer)
        .where(officer.c.name == name, officer.c.ended_at.is_(None))
        .values(**gone, ended_at=now)
        .returning(officer.c.id)
    ).scalar()
    return ended


def every(connection: Connection) -> list[StoredOfficer]:
    return [_officer(row) for row in connection.execute(select(officer).order_by(officer.c.created_at, officer.c.id))]


def _one(connection: Connection, *where: ColumnElement[bool]) -> StoredOfficer | None:
    row = connection.execute(select(officer).where(*where, officer.c.ended_at.is_(None))).first()
    return _officer(row) if row is not None else None


def _officer(row: Any) -> StoredOfficer:
    return StoredOfficer(*(getattr(row, name) for name in StoredOfficer.__slots__))
