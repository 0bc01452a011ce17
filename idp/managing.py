"""Changing ways to log in, as units of work: what a citizen's security pages do. The citizen is told of each change.

A way that is replaced or taken away ends all other sessions: whoever came in by it is out.
"""

from __future__ import annotations

from datetime import datetime

from base import audit
from base.database import Connection
from base.ids import digest
from idp import ending, notices, sessions
from idp.authenticators import passkey
from idp.authenticators.levels import PASSWORD
from idp.authenticators.passkey import InvalidPasskey, RelyingParty
from idp.citizens import account
from idp.citizens.account import AccountError as _Refused
from idp.citizens.account import Ways, ways
from idp.sessions import Place, Session
from idp.store import people
from keys.ring import Ring

__all__ = ["AccountError", "Ways", "add_passkey", "enrol", "remove_passkey", "set_password", "set_totp", "ways"]


class AccountError(Exception):
    """`field`: which of the form's fields is at fault."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def set_password(
    connection: Connection, ring: Ring, session: Session, *, username: str, password_hash: str, now: datetime
) -> None:
    citizen = session.citizen_id
    _set_password(connection, ring, citizen, username, password_hash, now)
    ending.end_all(connection, ring, citizen, now, actor=citizen, but=session.id)
    notices.tell(connection, citizen, "password.set", now)


def set_totp(connection: Connection, ring: Ring, session: Session, secret: str, now: datetime) -> None:
    citizen = session.citizen_id
    account.set_totp(connection, ring, citizen, secret, now, acr=session.binds)
    ending.end_all(connection, ring, citizen, now, actor=citizen, but=session.id)
    notices.tell(connection, citizen, "totp.set", now)


def add_passkey(
    connection: Connection,
    party: RelyingParty,
    session: Session,
    credential: str,
    challenge: str,
    *,
    label: str,
    now: datetime,
) -> bool:
    """Add a passkey to the citizen for whom the challenge was made; it is worth no more than this login."""
    citizen = session.citizen_id
    taken = people.take_once(connection, digest(challenge), "register", browser=session.digest, now=now)
    if taken is None or taken.citizen != citizen:
        return False
    people.hold(connection, citizen)
    if len(people.passkeys(connection, citizen)) >= passkey.MAX_PASSKEYS:
        return False
    try:
        one = passkey.registered(party, credential, challenge, citizen, label=label, acr=session.binds, now=now)
    except InvalidPasskey:
        return False
    if people.find_passkey(connection, one.credential_id) is not None:
        return False
    people.add_passkey(connection, one)
    notices.tell(connection, citizen, "passkey.added", now, about=one.label)
    audit.record(
        connection, "authenticator.added", actor=citizen, object=one.credential_id[:64], now=now, way="passkey"
    )
    return True


def remove_passkey(connection: Connection, ring: Ring, session: Session, credential_id: str, now: datetime) -> bool:
    """Not the last way in."""
    citizen = session.citizen_id
    people.hold(connection, citizen)
    mine = ways(connection, citizen)
    label = next((one.label for one in mine.passkeys if one.credential_id == credential_id), None)
    if label is None or (len(mine.passkeys) == 1 and not mine.has_password):
        return False
    people.remove_passkey(connection, credential_id, citizen)
    ending.end_all(connection, ring, citizen, now, actor=citizen, but=session.id)
    notices.tell(connection, citizen, "passkey.removed", now, about=label)
    audit.record(connection, "authenticator.removed", actor=citizen, object=credential_id[:64], now=now)
    return True


def enrol(
    connection: Connection, ring: Ring, code: str, username: str, password_hash: str, *, place: Place, now: datetime
) -> str:
    """Use an enrolment code up for a user name and password; answers the cookie of a session.

    Raising rolls back: with a user name that is taken the code can be used again. Who had a way in before is logged out
    everywhere and told: the code may have come into other hands.
    """
    citizen = account.use_enrolment_code(connection, code, now)
    if citizen is None:
        raise AccountError("enrolment_code")
    before = ways(connection, citizen)
    _set_password(connection, ring, citizen, username, password_hash, now)
    ending.end_all(connection, ring, citizen, now, actor=citizen)
    value = sessions.start(connection, ring, citizen, way=PASSWORD, enrolling=True, place=place, now=now)
    if value is None:
        raise AccountError("enrolment_code")
    if before.has_password or before.passkeys:
        notices.tell(connection, citizen, "enrolled", now)
    return value


def _set_password(
    connection: Connection, ring: Ring, citizen_id: str, username: str, password_hash: str, now: datetime
) -> None:
    try:
        account.set_password(connection, ring, citizen_id, username=username, password_hash=password_hash, now=now)
    except _Refused:
        raise AccountError("username") from None
