"""Sessions of citizens: a cookie of 256 random bits, of which the digest is stored.

A new cookie at every login. Who logs in again in the same browser goes on in the same session, under a new cookie, with
the new login's level and time: a session is never rated above its last login, and what it gave before is not lost.
Age is judged when a session is read; one that ended, anywhere, is gone at the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from base import audit
from base.database import Connection
from base.ids import digest, identifier, secret
from base.settings import Settings
from idp import ending, notices
from idp.authenticators.levels import AMR, HIGH, LEVELS, PROOFING, delivered, lowest
from idp.citizens.importing import person_of
from idp.citizens.register import MAY_LOG_IN, Person
from idp.store import people
from idp.store import sessions as store
from idp.store.sessions import StoredSession
from keys.errors import Unsealable
from keys.ring import Ring

__all__ = [
    "MAY_LOG_IN",
    "MOST",
    "Left",
    "Place",
    "Session",
    "StoredSession",
    "current",
    "device_of",
    "is_due",
    "is_open",
    "left",
    "of",
    "owner",
    "see",
    "start",
]

SEEN_EVERY = timedelta(minutes=1)
"""How fresh `seen_at` is kept: a write for every page would be a write for nothing."""
MOST = 20
"""Sessions of one citizen at a time: the next login ends the one that was seen longest ago."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a login happens. `device`: as a person recognises it. `browser`: digest of the browser's own cookie.

    `session`: digest of the session cookie that the browser has now, if any: that session goes on, or ends.
    """

    device: str
    browser: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. `digest`: of the cookie; CSRF tokens are bound to it.

    `binds`: what a way to log in that is added now may be worth. `notices`: how many the citizen has not seen.
    """

    id: str
    digest: str
    citizen_id: str
    person: Person
    acr: str
    binds: str
    amr: tuple[str, ...]
    auth_time: datetime
    seen_at: datetime
    notices: int


@dataclass(frozen=True, slots=True)
class Left:
    """A session that nobody has ended, however old: what a logout is about."""

    id: str
    digest: str
    citizen_id: str


def start(
    connection: Connection,
    ring: Ring,
    citizen_id: str,
    *,
    way: str,
    added_at: str = HIGH,
    enrolling: bool = False,
    place: Place,
    now: datetime,
) -> str | None:
    """Open a session after a login, or let the browser's own go on; answers the cookie's value.

    `way`: of levels.AUTHENTICATORS. `added_at`: the level of the login in which that way was added. `enrolling`: a code
    from the desk was shown, so ways to log in that are added now are worth what the proof of identity was.
    None for who may not log in, judged while nobody else can change it.
    """
    citizen = people.hold(connection, citizen_id)
    if citizen is None or citizen.state not in MAY_LOG_IN:
        return None
    acr, value = delivered(way, citizen.proofing, added_at), secret()
    binds = PROOFING[citizen.proofing] if enrolling else acr
    one = StoredSession(identifier(), citizen_id, acr, binds, AMR[way], place.device, now, now)
    session_id = store.renew(connection, place.session, digest(value), one) if place.session else None
    if session_id is None:
        _leave(connection, ring, place, now)
        store.add(connection, digest(value), one)
        for surplus in store.open_of(connection, citizen_id)[MOST:]:
            ending.end(connection, ring, surplus.id, citizen_id, now, actor="limit")
    people.remember_handle(connection, ring.pseudonyms.handle(citizen_id), citizen_id)
    notices.arrived(connection, citizen_id, browser=place.browser, device=place.device, now=now)
    audit.record(
        connection, "login.succeeded", actor=citizen_id, object=session_id or one.id, now=now, way=way, acr=acr
    )
    return value


def current(
    connection: Connection, ring: Ring, settings: Settings, cookie: str | None, now: datetime
) -> Session | None:
    """The session of a cookie, or None: unknown, ended, idle too long, too old, or of someone who may not log in."""
    if not cookie:
        return None
    key = digest(cookie)
    found = store.find(connection, key)
    if found is None or found.citizen.state not in MAY_LOG_IN or not is_open(found.session, settings, now):
        return None
    try:
        person = person_of(ring, found.citizen)
    except Unsealable:
        return None
    if person is None:
        return None
    one, most = found.session, PROOFING[found.citizen.proofing]
    acr, binds = lowest(one.acr, most), lowest(one.binds, most)
    return Session(
        one.id, key, one.citizen, person, acr, binds, tuple(one.amr), one.auth_time, one.seen_at, found.notices
    )


def left(connection: Connection, cookie: str | None) -> Left | None:
    """The session of a cookie, also when it is too old to be used: who leaves it ends what it gave."""
    key = digest(cookie) if cookie else ""
    found = store.of_cookie(connection, key) if key else None
    return Left(found[0], key, found[1]) if found is not None else None


def of(connection: Connection, settings: Settings, citizen_id: str, now: datetime) -> list[StoredSession]:
    """A citizen's open sessions, the latest seen first."""
    return [one for one in store.open_of(connection, citizen_id) if is_open(one, settings, now)]


def is_open(one: StoredSession, settings: Settings, now: datetime) -> bool:
    """Neither idle for too long nor too old, for its level (NIST SP 800-63B sections 2.2.3 and 2.3.3)."""
    idle_s, total_s = lifetimes(settings)[one.acr]
    return now < one.seen_at + timedelta(seconds=idle_s) and now < one.auth_time + timedelta(seconds=total_s)


def lifetimes(settings: Settings) -> dict[str, tuple[int, int]]:
    """Seconds a session may be idle, and last in all, by level."""
    usual = (settings.session_idle_s, settings.session_total_s)
    high = (min(usual[0], settings.session_high_idle_s), min(usual[1], settings.session_high_total_s))
    return {level: high if level == HIGH else usual for level in LEVELS}


def owner(connection: Connection, session_id: str) -> str | None:
    """Whose open session this is."""
    return store.citizen_of(connection, session_id)


def is_due(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether it is time to write down that someone is still there."""
    idle = timedelta(seconds=lifetimes(settings)[session.acr][0])
    return now >= session.seen_at + min(SEEN_EVERY, idle / 4)


def see(connection: Connection, session_id: str, now: datetime) -> None:
    """Someone is still there."""
    store.see(connection, session_id, now)


def device_of(user_agent: str) -> str:
    """A description a person recognises, from words of the User-Agent; nothing more is kept of it."""
    browsers = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in user_agent), "")
    system = next((name for mark, name in systems if mark in user_agent), "")
    return ", ".join(part for part in (browser, system) if part)


def _leave(connection: Connection, ring: Ring, place: Place, now: datetime) -> None:
    """One browser, one session: somebody else's that was open here ends."""
    other = store.of_cookie(connection, place.session) if place.session else None
    if other is not None:
        ending.end(connection, ring, *other, now, actor="login")
