"""Logging in, as units of work: password, code from the app, passkey. Pages and commands call these."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from base import audit
from base.database import Connection
from base.ids import digest, secret
from idp import sessions
from idp.authenticators import guesses, passkey
from idp.authenticators.passkey import CHALLENGE_S, InvalidPasskey, RelyingParty
from idp.citizens import account
from idp.sessions import MAY_LOG_IN
from idp.store import people
from idp.store.people import Account
from keys.ring import Ring

SECOND_S = 300
"""Time between password and code, seconds."""


def begin_password(connection: Connection, ring: Ring, username: str, now: datetime) -> tuple[Account | None, bool]:
    """The account of a user name, and whether a try is allowed now. The try is counted already."""
    subject = account.username_index(ring, username)
    return account.by_username(connection, ring, username), guesses.may_try(connection, subject, now)


def password_right(
    connection: Connection, ring: Ring, username: str, found: Account, *, browser: str, device: str, now: datetime
) -> tuple[str, str]:
    """After a right password: ("session", cookie), or ("second", handle) when a code must follow."""
    if found.totp_secret is None:
        guesses.clear(connection, account.username_index(ring, username))
        return "session", sessions.start(connection, ring, found.citizen, way="password", device=device, now=now)
    handle = secret()
    people.put_once(
        connection,
        digest(handle),
        "second",
        browser=browser,
        citizen_id=found.citizen,
        payload={"subject": account.username_index(ring, username)},
        expires_at=now + timedelta(seconds=SECOND_S),
    )
    return "second", handle


def second_step(
    connection: Connection, ring: Ring, handle: str, code: str, *, browser: str, device: str, now: datetime
) -> tuple[str, str]:
    """("session", cookie), or ("wrong", ""), ("wait", ""), ("expired", ""). Returned: what was counted stays counted."""
    waiting = people.find_once(connection, digest(handle), "second", browser=browser, now=now)
    found = people.account_of(connection, waiting.citizen) if waiting is not None and waiting.citizen else None
    if waiting is None or found is None:
        return "expired", ""
    subject = waiting.payload["subject"]
    # The password's own try was counted; it was right, so the code begins with that one.
    if not guesses.may_try(connection, f"totp {found.citizen}", now):
        return "wait", ""
    if not account.totp_is_right(connection, ring, found, code, now):
        audit.record(connection, "login.failed", actor=found.citizen, object=found.citizen, now=now, result="wrong")
        return "wrong", ""
    people.take_once(connection, digest(handle), "second", browser=browser, now=now)
    guesses.clear(connection, subject)
    guesses.clear(connection, f"totp {found.citizen}")
    return "session", sessions.start(connection, ring, found.citizen, way="password+totp", device=device, now=now)


def keep_challenge(
    connection: Connection, challenge: str, kind: str, *, browser: str, citizen_id: str | None, now: datetime
) -> None:
    """A passkey challenge of this browser, for one use. `kind`: login or register."""
    people.put_once(
        connection,
        digest(challenge),
        kind,
        browser=browser,
        citizen_id=citizen_id,
        payload={},
        expires_at=now + timedelta(seconds=CHALLENGE_S),
    )


def passkey_login(
    connection: Connection,
    ring: Ring,
    party: RelyingParty,
    credential: dict[str, Any],
    challenge: str,
    *,
    browser: str,
    device: str,
    now: datetime,
) -> str | None:
    """The cookie of a new session, or None. The challenge is gone either way."""
    if people.take_once(connection, digest(challenge), "login", browser=browser, now=now) is None:
        return None
    stored = people.find_passkey(connection, str(credential.get("id", ""))[:400])
    citizen = people.find(connection, stored.citizen) if stored is not None else None
    if stored is None or citizen is None or citizen.state not in MAY_LOG_IN:
        return None
    try:
        handle = user_handle(ring, stored.citizen)
        count = passkey.authenticated(party, credential, challenge, stored, handle)
    except InvalidPasskey:
        audit.record(connection, "login.failed", actor=stored.citizen, object=stored.citizen, now=now, result="passkey")
        return None
    if not people.use_passkey(connection, stored.credential_id, stored.sign_count, count, now):
        return None
    return sessions.start(connection, ring, stored.citizen, way="passkey", device=device, now=now)


def passkey_register(
    connection: Connection,
    party: RelyingParty,
    credential: str,
    challenge: str,
    *,
    label: str,
    browser: str,
    citizen_id: str,
    now: datetime,
) -> bool:
    """Add a passkey to the citizen for whom the challenge was made."""
    taken = people.take_once(connection, digest(challenge), "register", browser=browser, now=now)
    if taken is None or taken.citizen != citizen_id:
        return False
    if len(people.passkeys(connection, citizen_id)) >= passkey.MAX_PASSKEYS:
        return False
    try:
        one = passkey.registered(party, credential, challenge, citizen_id, label, now)
    except InvalidPasskey:
        return False
    if people.find_passkey(connection, one.credential_id) is not None:
        return False
    people.add_passkey(connection, one)
    audit.record(
        connection, "authenticator.added", actor=citizen_id, object=one.credential_id[:64], now=now, way="passkey"
    )
    return True


def remove_passkey(connection: Connection, credential_id: str, citizen_id: str, now: datetime) -> bool:
    """Not the last way in."""
    ways = account.ways(connection, citizen_id)
    if len(ways.passkeys) <= 1 and not ways.has_password:
        return False
    done = people.remove_passkey(connection, credential_id, citizen_id)
    if done:
        audit.record(connection, "authenticator.removed", actor=citizen_id, object=credential_id[:64], now=now)
    return done


def user_handle(ring: Ring, citizen_id: str) -> str:
    """What an authenticator stores of its owner: no personal data, and of no use elsewhere."""
    return ring.pseudonyms.pairwise(ring.pseudonyms.handle(citizen_id), "passkey")
