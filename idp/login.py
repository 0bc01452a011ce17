"""Logging in, as units of work: password, code from the app, passkey. Pages and commands call these.

Each looks again, while the citizen is held, whether what was shown is still his: a password that was changed or a
passkey that was removed a moment ago opens nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from base import audit
from base.database import Connection
from base.ids import digest, secret
from idp import notices, sessions
from idp.authenticators import guesses, passkey
from idp.authenticators.levels import DEVICE_BOUND_PASSKEY, LOW, PASSKEY, PASSWORD, PASSWORD_AND_CODE
from idp.authenticators.passkey import CHALLENGE_S, InvalidPasskey, RelyingParty
from idp.citizens import account
from idp.sessions import Place
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
    connection: Connection, ring: Ring, username: str, found: Account, *, place: Place, now: datetime
) -> tuple[str, str]:
    """After a right password: ("session", cookie), ("second", handle) when a code must follow, or ("expired", "").

    `found`: the account whose password was compared.
    """
    people.hold(connection, found.citizen)
    account_now = people.account_of(connection, found.citizen)
    if account_now is None or account_now.password_hash != found.password_hash:
        return "expired", ""
    if account_now.totp_secret is None:
        wrong = guesses.clear(connection, account.username_index(ring, username))
        value = sessions.start(connection, ring, found.citizen, way=PASSWORD, place=place, now=now)
        return _in(connection, found.citizen, value, wrong, now)
    handle = secret()
    people.put_once(
        connection,
        digest(handle),
        "second",
        browser=place.browser,
        citizen_id=found.citizen,
        payload={"subject": account.username_index(ring, username)},
        expires_at=now + timedelta(seconds=SECOND_S),
    )
    return "second", handle


def second_step(
    connection: Connection, ring: Ring, handle: str, code: str, *, place: Place, now: datetime
) -> tuple[str, str]:
    """("session", cookie), or ("wrong", ""), ("wait", ""), ("expired", ""). Returned: what was counted stays counted."""
    waiting = people.find_once(connection, digest(handle), "second", browser=place.browser, now=now)
    if waiting is None or waiting.citizen is None:
        return "expired", ""
    people.hold(connection, waiting.citizen)
    # Looked for again: a password that was set meanwhile has ended this attempt.
    waiting = people.find_once(connection, digest(handle), "second", browser=place.browser, now=now)
    found = people.account_of(connection, waiting.citizen) if waiting is not None and waiting.citizen else None
    if waiting is None or found is None:
        return "expired", ""
    subject, codes = waiting.payload["subject"], f"totp {found.citizen}"
    # The password's own try was counted; it was right, so the code begins with that one.
    if not guesses.may_try(connection, codes, now):
        return "wait", ""
    if not account.totp_is_right(connection, ring, found, code, now):
        if guesses.count(connection, codes) == notices.SEVERAL:
            # Whoever this is knows the password.
            notices.tell(connection, found.citizen, "code.guessed", now)
        audit.record(connection, "login.failed", actor=found.citizen, object=found.citizen, now=now, result="wrong")
        return "wrong", ""
    people.take_once(connection, digest(handle), "second", browser=place.browser, now=now)
    wrong = guesses.clear(connection, subject) + guesses.clear(connection, codes)
    added_at = found.totp_acr or LOW
    value = sessions.start(
        connection, ring, found.citizen, way=PASSWORD_AND_CODE, added_at=added_at, place=place, now=now
    )
    return _in(connection, found.citizen, value, wrong, now)


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
    place: Place,
    now: datetime,
) -> str | None:
    """The cookie of a session, or None. The challenge is gone either way."""
    if people.take_once(connection, digest(challenge), "login", browser=place.browser, now=now) is None:
        return None
    credential_id = str(credential.get("id", ""))[:400]
    owner = people.find_passkey(connection, credential_id)
    if owner is None:
        return None
    people.hold(connection, owner.citizen)
    stored = people.find_passkey(connection, credential_id)
    if stored is None:
        return None
    try:
        handle = user_handle(ring, stored.citizen)
        count = passkey.authenticated(party, credential, challenge, stored, handle)
    except InvalidPasskey:
        audit.record(connection, "login.failed", actor=stored.citizen, object=stored.citizen, now=now, result="passkey")
        return None
    if not people.use_passkey(connection, stored.credential_id, stored.sign_count, count, now):
        return None
    way = DEVICE_BOUND_PASSKEY if stored.device_bound else PASSKEY
    return sessions.start(connection, ring, stored.citizen, way=way, added_at=stored.acr, place=place, now=now)


def user_handle(ring: Ring, citizen_id: str) -> str:
    """What an authenticator stores of its owner: no personal data, and of no use elsewhere."""
    return ring.pseudonyms.pairwise(ring.pseudonyms.handle(citizen_id), "passkey")


def _in(connection: Connection, citizen_id: str, value: str | None, wrong: int, now: datetime) -> tuple[str, str]:
    """`wrong`: the guesses that came before. The citizen is told when they were several."""
    if value is None:
        return "expired", ""
    if wrong >= notices.SEVERAL:
        notices.tell(connection, citizen_id, "login.after_guesses", now)
    return "session", value
