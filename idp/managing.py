"""Changing ways to log in, as units of work: what a citizen's security pages do. Each change ends the other sessions."""

from __future__ import annotations

from datetime import datetime

from base.database import Connection
from idp import sessions
from idp.citizens import account
from idp.citizens.account import AccountError as _Refused
from idp.citizens.account import Ways, ways
from idp.store import people
from idp.store.people import StoredSession
from keys.ring import Ring

__all__ = ["AccountError", "Ways", "enrol", "sessions_of", "set_password", "set_totp", "ways"]


class AccountError(Exception):
    """`field`: which of the form's fields is at fault."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def sessions_of(connection: Connection, citizen_id: str, seen_after: datetime) -> list[StoredSession]:
    return people.sessions(connection, citizen_id, seen_after=seen_after)


def set_password(
    connection: Connection, ring: Ring, citizen_id: str, *, username: str, password_hash: str, now: datetime, but: str
) -> None:
    try:
        account.set_password(connection, ring, citizen_id, username=username, password_hash=password_hash, now=now)
    except _Refused:
        raise AccountError("username") from None
    sessions.end_all(connection, citizen_id, now, but=but)


def set_totp(connection: Connection, ring: Ring, citizen_id: str, secret: str, now: datetime, *, but: str) -> None:
    account.set_totp(connection, ring, citizen_id, secret, now)
    sessions.end_all(connection, citizen_id, now, but=but)


def enrol(
    connection: Connection, ring: Ring, code: str, username: str, password_hash: str, *, device: str, now: datetime
) -> str:
    """Use an enrolment code up for a user name and password; answers the cookie of a first session.

    Raising rolls back: with a user name that is taken the code can be used again.
    """
    citizen_id = account.use_enrolment_code(connection, code, now)
    if citizen_id is None:
        raise AccountError("enrolment_code")
    try:
        account.set_password(connection, ring, citizen_id, username=username, password_hash=password_hash, now=now)
    except _Refused:
        raise AccountError("username") from None
    return sessions.start(connection, ring, citizen_id, way="password", device=device, now=now)
