"""Sessions of citizens: a cookie of 256 random bits, of which the digest is stored.

A new one at every login. Age is judged when it is read; a session that ended, anywhere, is gone at the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from base import audit
from base.database import Connection
from base.ids import digest, identifier, secret
from base.settings import Settings
from idp.authenticators.levels import AMR, DELIVERED
from idp.citizens.importing import person_of
from idp.citizens.register import Person
from idp.store import grants, people
from idp.store.people import StoredSession
from keys.errors import Unsealable
from keys.ring import Ring

SEEN_EVERY = timedelta(minutes=1)
"""How fresh `seen_at` is kept: a write for every page would be a write for nothing."""
MAY_LOG_IN = ("active", "emigrated")


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. `digest`: of the cookie; CSRF tokens are bound to it."""

    id: str
    digest: str
    citizen_id: str
    person: Person
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime
    seen_at: datetime


def start(connection: Connection, ring: Ring, citizen_id: str, *, way: str, device: str, now: datetime) -> str:
    """Open a session after a login by `way` (a key of levels.DELIVERED); answers the cookie's value."""
    value = secret()
    one = StoredSession(identifier(), citizen_id, DELIVERED[way], AMR[way], device, now, now)
    people.add_session(connection, digest(value), one)
    people.remember_handle(connection, ring.pseudonyms.handle(citizen_id), citizen_id)
    audit.record(connection, "login.succeeded", actor=citizen_id, object=one.id, now=now, way=way)
    return value


def current(
    connection: Connection, ring: Ring, settings: Settings, cookie: str | None, now: datetime
) -> Session | None:
    """The session of a cookie, or None: unknown, ended, idle too long, too old, or of someone who may not log in."""
    if not cookie:
        return None
    key = digest(cookie)
    found = people.find_session(connection, key)
    if found is None:
        return None
    one, citizen = found
    idle = now >= one.seen_at + timedelta(seconds=settings.session_idle_s)
    old = now >= one.auth_time + timedelta(seconds=settings.session_total_s)
    if idle or old or citizen.state not in MAY_LOG_IN:
        return None
    try:
        person = person_of(ring, citizen)
    except Unsealable:
        return None
    if person is None:
        return None
    return Session(one.id, key, one.citizen, person, one.acr, tuple(one.amr), one.auth_time, one.seen_at)


def see(connection: Connection, session_id: str, now: datetime) -> None:
    """Someone is still there."""
    people.see_session(connection, session_id, now)


def end(connection: Connection, session_id: str, citizen_id: str, now: datetime) -> bool:
    """End one session and all tokens that grew from it."""
    ended = people.end_session(connection, session_id, citizen_id, now)
    if ended:
        grants.end_families(connection, citizen=citizen_id, session=session_id, now=now)
        audit.record(connection, "session.ended", actor=citizen_id, object=session_id, now=now)
    return ended


def end_all(connection: Connection, citizen_id: str, now: datetime, *, but: str | None = None) -> None:
    """End every session, or every other one, with their tokens."""
    for one in people.sessions(connection, citizen_id, seen_after=now - timedelta(days=2)):
        if one.id != but:
            end(connection, one.id, citizen_id, now)


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
