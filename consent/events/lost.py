"""What an agency never takes: it is deleted in the end, and never in silence.

The stream itself says so, by an event in the place of those that are gone: who takes it knows that he must ask anew
what holds. Until then the agency reads in the stream's status what it will lose and when; the operator reads it in
`regie doctor`, and the supervisor on his page.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from base import audit
from base.database import Connection
from base.ids import identifier
from base.log import log
from consent.events import sets
from consent.store import events

KEPT = timedelta(days=90)
"""So long an event waits."""
LATE = timedelta(days=30)
"""From then on its agency is late: there is time to mend it."""
BITE = 500


def is_any(connection: Connection, now: datetime) -> bool:
    return events.is_untaken(connection, now - KEPT, sets.LOST)


def drop(connection: Connection, now: datetime) -> int:
    """Delete some of what waited too long; answers how many."""
    gone = events.drop_untaken(connection, now - KEPT, sets.LOST, BITE)
    found: dict[str, list[datetime]] = {}
    for stream, since in gone:
        found.setdefault(stream, []).append(since)
    for stream, times in sorted(found.items()):
        _leave_word(connection, stream, len(times), max(times), now)
    return len(gone)


def _leave_word(connection: Connection, stream: str, count: int, until: datetime, now: datetime) -> None:
    """One event for all that was lost since such an event was taken last; it comes after what waits."""
    before = events.waiting_of_kind(connection, stream, sets.LOST)
    count += sum(one.content["events"] for one in before if events.remove(connection, one.seq))
    content = {"events": count, "until": int(until.timestamp())}
    row = {"stream": stream, "jti": identifier(), "kind": sets.LOST, "sub": "", "content": content, "at": now}
    events.put(connection, [row], now)
    if not before:
        audit.record(connection, "stream.lost", actor="registry", object=stream, now=now)
    log.warning("events.lost", stream=stream, events=count)
