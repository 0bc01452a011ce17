"""Officers, as units of work: invited by an operator, enrolled with a passkey, logged in with it and with nothing else.

An officer has one passkey and one session; a login ends the session before it. A session is judged when it is read: who
was ended by an operator is out at the next request, on every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from base import audit
from base.database import Connection
from base.ids import digest, secret
from base.settings import Settings
from idp.authenticators import passkey
from idp.authenticators.levels import HIGH
from idp.authenticators.passkey import CHALLENGE_S, InvalidPasskey, RelyingParty
from idp.sessions import SEEN_EVERY, lifetimes
from idp.store import officers, people
from idp.store.officers import StoredOfficer
from idp.store.people import Passkey

ROLES = ("supervisor",)
INVITATION_S = 86_400
_LOGIN, _ENROL = "officer_login", "officer_enrol"


@dataclass(frozen=True, slots=True)
class Session:
    """`digest`: of the cookie."""

    officer: StoredOfficer
    digest: str
    seen_at: datetime


def invite(connection: Connection, name: str, role: str, now: datetime) -> tuple[str, str]:
    """Id and code. The code serves once, within a day; only its digest is kept, and an earlier one ends.

    For an officer who has a passkey already it is the way to another one: that one serves until the code is used.
    """
    code = secret()
    found = officers.invite(connection, name, role, digest(code), now + timedelta(seconds=INVITATION_S), now)
    audit.record(connection, "officer.invited", actor="operator", object=found, now=now, role=role)
    return found, code


def enrolment(connection: Connection, party: RelyingParty, code: str, *, browser: str, now: datetime) -> str | None:
    """Options for a new passkey, as JSON, for who has a code that is still good. It stays good until it is used."""
    found = officers.of_invitation(connection, digest(code.strip()), now)
    if found is None:
        return None
    options, challenge = passkey.creation_options(party, found.id, found.name, [])
    _keep(connection, challenge, _ENROL, browser=browser, payload={"officer": found.id}, now=now)
    return options


def enrol(
    connection: Connection,
    party: RelyingParty,
    code: str,
    credential: str,
    challenge: str,
    *,
    browser: str,
    now: datetime,
) -> str | None:
    """Use the code up for a passkey; the cookie of a session, or None. The challenge is gone either way."""
    taken = people.take_once(connection, digest(challenge), _ENROL, browser=browser, now=now)
    invitation = digest(code.strip())
    found = officers.of_invitation(connection, invitation, now)
    if taken is None or found is None or taken.payload["officer"] != found.id:
        return None
    try:
        one = passkey.registered(party, credential, challenge, found.id, label="", acr=HIGH, now=now)
    except InvalidPasskey:
        _refused(connection, found.id, now)
        return None
    if officers.of_credential(connection, one.credential_id) is not None:
        _refused(connection, found.id, now)
        return None
    names = ("credential_id", "public_key", "sign_count", "device_bound")
    value = secret()
    made = {name: getattr(one, name) for name in names}
    if not officers.enrol(connection, found.id, invitation, made, digest(value), now):
        return None
    audit.record(connection, "officer.enrolled", actor=found.id, object=found.id, now=now)
    return value


def begin(connection: Connection, party: RelyingParty, *, browser: str, now: datetime) -> str:
    """Options for a login, as JSON: the same for everybody."""
    options, challenge = passkey.request_options(party)
    _keep(connection, challenge, _LOGIN, browser=browser, payload={}, now=now)
    return options


def log_in(
    connection: Connection,
    party: RelyingParty,
    credential: dict[str, Any],
    challenge: str,
    *,
    browser: str,
    now: datetime,
) -> str | None:
    """The cookie of a session, or None. The challenge is gone either way."""
    if people.take_once(connection, digest(challenge), _LOGIN, browser=browser, now=now) is None:
        return None
    found = officers.of_credential(connection, str(credential.get("id", ""))[:400])
    if found is None:
        return None
    stored = _passkey(found)
    try:
        count = passkey.authenticated(party, credential, challenge, stored, found.id)
    except InvalidPasskey:
        _refused(connection, found.id, now)
        return None
    value = secret()
    if not officers.log_in(connection, found.id, stored.credential_id, stored.sign_count, count, digest(value), now):
        return None
    audit.record(connection, "officer.logged_in", actor=found.id, object=found.id, now=now)
    return value


def current(connection: Connection, settings: Settings, cookie: str, now: datetime) -> Session | None:
    """The session of a cookie, or None: unknown, ended, idle too long, too old. It lasts as a citizen's strongest does."""
    key = digest(cookie)
    found = officers.of_session(connection, key)
    if found is None or found.seen_at is None or found.auth_time is None:
        return None
    idle_s, total_s = lifetimes(settings)[HIGH]
    is_open = now < found.seen_at + timedelta(seconds=idle_s) and now < found.auth_time + timedelta(seconds=total_s)
    return Session(found, key, found.seen_at) if is_open else None


def is_due(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether it is time to write down that someone is still there."""
    return now >= session.seen_at + min(SEEN_EVERY, timedelta(seconds=lifetimes(settings)[HIGH][0]) / 4)


def see(connection: Connection, session: Session, now: datetime) -> None:
    officers.see(connection, session.digest, now)


def leave(connection: Connection, session: Session, now: datetime) -> None:
    if (left := officers.leave(connection, session.digest)) is not None:
        audit.record(connection, "officer.left", actor=left, object=left, now=now)


def end(connection: Connection, name: str, now: datetime) -> str | None:
    """The id of who is an officer no more; None when nobody of this name was."""
    ended = officers.end(connection, name, now)
    if ended is not None:
        audit.record(connection, "officer.ended", actor="operator", object=ended, now=now)
    return ended


def every(connection: Connection) -> list[StoredOfficer]:
    return officers.every(connection)


def _keep(
    connection: Connection, challenge: str, kind: str, *, browser: str, payload: dict[str, Any], now: datetime
) -> None:
    expires_at = now + timedelta(seconds=CHALLENGE_S)
    people.put_once(
        connection, digest(challenge), kind, browser=browser, citizen_id=None, payload=payload, expires_at=expires_at
    )


def _passkey(found: StoredOfficer) -> Passkey:
    """As the ceremony knows passkeys, whoever's they are."""
    assert found.credential_id is not None
    assert found.public_key is not None
    assert found.sign_count is not None
    return Passkey(
        found.credential_id,
        found.id,
        found.public_key,
        found.sign_count,
        bool(found.device_bound),
        HIGH,
        "",
        found.created_at,
        None,
    )


def _refused(connection: Connection, officer_id: str, now: datetime) -> None:
    audit.record(connection, "officer.refused", actor=officer_id, object=officer_id, now=now, result="passkey")
