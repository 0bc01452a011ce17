"""Ending sessions. One place: what grew from a session ends with it, and its agencies are told, in the same commit."""

from __future__ import annotations

from datetime import datetime

from base import audit
from base.database import Connection
from idp import logouts
from idp.store import grants, sessions
from keys.ring import Ring


def end(connection: Connection, ring: Ring, session_id: str, citizen_id: str, now: datetime, *, actor: str) -> bool:
    """End one session with its codes and tokens. False when it was not this citizen's, or had ended.

    `actor`: the citizen, `operator`, or the rule that ended it.
    """
    if not sessions.end(connection, session_id, citizen_id, now):
        return False
    grants.end_families(connection, citizen=citizen_id, session=session_id, now=now)
    logouts.enqueue(connection, ring, session_id, citizen_id, now)
    audit.record(connection, "session.ended", actor=actor, object=session_id, now=now)
    return True


def end_all(
    connection: Connection, ring: Ring, citizen_id: str, now: datetime, *, actor: str, but: str | None = None
) -> int:
    """End every session of a citizen, or every other one; answers how many. Without `but` no token of his survives."""
    mine = [one.id for one in sessions.open_of(connection, citizen_id) if one.id != but]
    ended = sum(end(connection, ring, one, citizen_id, now, actor=actor) for one in mine)
    if but is None:
        grants.end_families(connection, citizen=citizen_id, now=now)
    return ended
