"""A citizen's account: user name, password, TOTP, passkeys, enrolment. Functions run inside a unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from base import audit
from base.database import Connection
from base.ids import digest, secret
from idp import ending
from idp.authenticators import password as passwords
from idp.authenticators import totp
from idp.authenticators.levels import PROOFING, USUAL_PROOFING
from idp.citizens.importing import person_of
from idp.citizens.register import MAY_LOG_IN, Person
from idp.store import custody, people
from idp.store.people import Account, Passkey
from keys.ring import Ring

ENROLMENT_S = 900
_TABLE, _COLUMN = "account", "totp_secret"
_ANY_BROWSER = "enrolment"
_HANDED_OUT = ("enrolment", "second")


class AccountError(Exception):
    """What an operator asked and cannot be done, in a sentence."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a citizen can log in now."""

    has_password: bool
    has_totp: bool
    passkeys: tuple[Passkey, ...]


def username_index(ring: Ring, username: str) -> str:
    """User names are compared without regard to case, and kept as a keyed index alone."""
    return ring.pseudonyms.blind_index(f"username {passwords.normal(username).strip().casefold()}")


def by_username(connection: Connection, ring: Ring, username: str) -> Account | None:
    found = people.account_by_name(connection, username_index(ring, username))
    citizen = people.find(connection, found.citizen) if found is not None else None
    return found if citizen is not None and citizen.state in MAY_LOG_IN else None


def by_handle(connection: Connection, ring: Ring, handle: str) -> Person | None:
    """The person behind a registry handle; known from when the citizen first logged in."""
    citizen_id = people.citizen_of_handle(connection, handle)
    citizen = people.find(connection, citizen_id) if citizen_id is not None else None
    return person_of(ring, citizen) if citizen is not None else None


def ways(connection: Connection, citizen_id: str) -> Ways:
    account = people.account_of(connection, citizen_id)
    return Ways(
        account is not None and account.password_hash is not None,
        account is not None and account.totp_secret is not None,
        tuple(people.passkeys(connection, citizen_id)),
    )


def set_password(
    connection: Connection, ring: Ring, citizen_id: str, *, username: str, password_hash: str, now: datetime
) -> None:
    """Codes that were handed out, and logins half done with the old password, end. AccountError: the name is taken."""
    people.hold(connection, citizen_id)
    index = username_index(ring, username)
    owner = people.account_by_name(connection, index)
    if owner is not None and owner.citizen != citizen_id:
        raise AccountError("this user name is taken")
    people.put_account(connection, citizen_id, {"username_index": index, "password_hash": password_hash}, now)
    people.drop_once(connection, citizen_id, _HANDED_OUT)
    people.remember_handle(connection, ring.pseudonyms.handle(citizen_id), citizen_id)
    audit.record(connection, "authenticator.added", actor=citizen_id, object=citizen_id, now=now, way="password")


def set_totp(connection: Connection, ring: Ring, citizen_id: str, totp_secret: str, now: datetime, *, acr: str) -> None:
    """`acr`: what the code may be worth at most: the level of the login in which it is added."""
    people.hold(connection, citizen_id)
    sealed = ring.sealer.seal_system(totp_secret.encode(), table=_TABLE, column=_COLUMN, row=citizen_id)
    people.put_account(connection, citizen_id, {"totp_secret": sealed, "totp_step": None, "totp_acr": acr}, now)
    audit.record(connection, "authenticator.added", actor=citizen_id, object=citizen_id, now=now, way="totp")


def totp_is_right(connection: Connection, ring: Ring, account: Account, code: str, now: datetime) -> bool:
    """Check a code and use its time step up, once."""
    if account.totp_secret is None:
        return False
    shared = ring.sealer.open_system(account.totp_secret, table=_TABLE, column=_COLUMN, row=account.citizen).decode()
    step = totp.matching_step(shared, code, now)
    return step is not None and people.take_totp_step(connection, account.citizen, step)


def enrolment_code(connection: Connection, citizen_id: str, now: datetime, *, proofing: str = USUAL_PROOFING) -> str:
    """A code with which a citizen, once, within 15 minutes, gets a way to log in at /enrol. An earlier one ends.

    `proofing`: how the desk has seen who it is (levels.PROOFING); nothing of his is worth more from then on.
    """
    if proofing not in PROOFING:
        raise AccountError(f"proofing must be one of {', '.join(PROOFING)}")
    citizen = people.hold(connection, citizen_id)
    if citizen is None or citizen.state not in MAY_LOG_IN:
        raise AccountError("there is no such citizen who may log in")
    people.drop_once(connection, citizen_id, ("enrolment",))
    value = secret()
    expires_at = now + timedelta(seconds=ENROLMENT_S)
    people.put_once(
        connection,
        digest(value),
        "enrolment",
        browser=_ANY_BROWSER,
        citizen_id=citizen_id,
        payload={"proofing": proofing},
        expires_at=expires_at,
    )
    return value


def use_enrolment_code(connection: Connection, code: str, now: datetime) -> str | None:
    """The citizen of a code, once. His identity is as well proven as the code says, from now on."""
    taken = people.take_once(connection, digest(code.strip()), "enrolment", browser=_ANY_BROWSER, now=now)
    if taken is None or taken.citizen is None:
        return None
    proofing = taken.payload["proofing"]
    people.set_proofing(connection, taken.citizen, proofing, now)
    audit.record(connection, "citizen.enrolled", actor=taken.citizen, object=taken.citizen, now=now, proofing=proofing)
    return taken.citizen


def erase(connection: Connection, ring: Ring, citizen_id: str, now: datetime, *, actor: str = "operator") -> bool:
    """Forget a citizen: the data key is destroyed, in every copy of this database that is made from now on."""
    people.hold(connection, citizen_id)
    ending.end_all(connection, ring, citizen_id, now, actor=actor)
    custody.forget(connection, citizen_id)
    done = people.erase(connection, citizen_id, now)
    people.forget_handle(connection, ring.pseudonyms.handle(citizen_id))
    if done:
        audit.record(connection, "citizen.erased", actor=actor, object=citizen_id, now=now)
    return done


def set_state(connection: Connection, ring: Ring, citizen_id: str, state: str, now: datetime) -> bool:
    """Suspend or resume; a suspended citizen's sessions end. False for unknown and for erased ones."""
    found = people.hold(connection, citizen_id)
    if found is None or found.state == "erased":
        return False
    people.set_state(connection, citizen_id, state, now)
    if state == "suspended":
        people.drop_once(connection, citizen_id, _HANDED_OUT)
        ending.end_all(connection, ring, citizen_id, now, actor="operator")
        audit.record(connection, "citizen.suspended", actor="operator", object=citizen_id, now=now)
    return True
