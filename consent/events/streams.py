"""Event streams: an agency says of which events it wants to hear, and takes them; another's stream is none of its own.

Functions here run inside a unit of work.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from base import audit
from base.database import Connection
from base.database.tables import counters
from base.ids import identifier
from consent import seals
from consent.events import sets
from consent.store import event_streams, events
from consent.store.event_streams import Stream
from consent.store.events import Event
from keys.derive import Pseudonyms

ENABLED, PAUSED = "enabled", "paused"
MOST = 5
"""Streams of one agency."""
SHOWN = 100
"""Events in a list of deliveries."""
OVERLAP = timedelta(minutes=1)
"""A replay begins this long before its cursor: of two commits at once the one numbered first may have come last."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A stream, how many events wait in it, and since when the first. `lost`: deleted untaken, and not told yet."""

    stream: Stream
    waiting: int
    oldest: datetime | None
    lost: int


Delivered = tuple[Event, datetime | None, str]
"""An event, when it was settled, and the error if it was refused."""


class TooManyStreams(Exception):
    """The agency has `MOST` already."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agency may say of its stream. `kinds`: of `sets.KINDS`. `status`: while PAUSED, events wait.

    `endpoint`: where to push, "" when they are polled.
    """

    kinds: tuple[str, ...]
    status: str
    endpoint: str = ""


def add(
    connection: Connection, agency: str, client: str, wanted: Wanted, now: datetime, *, pseudonyms: Pseudonyms
) -> Stream:
    """TooManyStreams. From this commit on, events are kept for it."""
    # Held until the commit, so that two at once are counted one after the other.
    counters.hold(connection, "event-stream", agency, now)
    if len(event_streams.of_agency(connection, agency)) >= MOST:
        raise TooManyStreams
    name = identifier()
    seal = seals.of_stream(pseudonyms, name, agency, wanted.endpoint)
    row = {"id": name, "agency": agency, "created_at": now, "seal": seal, **_row(wanted, now)}
    stream = event_streams.add(connection, row)
    audit.record(connection, "stream.added", actor=client, object=stream.id, now=now)
    return stream


def every(connection: Connection, agency: str) -> list[Counted]:
    return [counted(connection, one) for one in event_streams.of_agency(connection, agency)]


def counted(connection: Connection, stream: Stream) -> Counted:
    lost = events.waiting_of_kind(connection, stream.id, sets.LOST)
    return Counted(
        stream,
        events.count_waiting(connection, stream.id),
        events.oldest_waiting(connection, stream.id, sets.LOST),
        sum(one.content["events"] for one in lost),
    )


def find(connection: Connection, stream: str, agency: str) -> Counted | None:
    """None when the agency has no such stream."""
    found = event_streams.find(connection, stream, agency)
    return counted(connection, found) if found is not None else None


def change(
    connection: Connection,
    stream: str,
    agency: str,
    client: str,
    wanted: Wanted,
    now: datetime,
    *,
    pseudonyms: Pseudonyms,
) -> Counted | None:
    """None when the agency has no such stream. One that was parked is tried again."""
    seal = seals.of_stream(pseudonyms, stream, agency, wanted.endpoint)
    if event_streams.change(connection, stream, agency, {"seal": seal, **_row(wanted, now)}) is None:
        return None
    audit.record(connection, "stream.changed", actor=client, object=stream, now=now)
    return find(connection, stream, agency)


def remove(connection: Connection, stream: str, agency: str, client: str, now: datetime) -> bool:
    """With all that waits in it. False when the agency has no such stream."""
    removed = event_streams.remove(connection, stream, agency)
    if removed:
        audit.record(connection, "stream.removed", actor=client, object=stream, now=now)
    return removed


def verify(connection: Connection, stream: str, agency: str, state: str, now: datetime) -> str | None:
    """An event about the stream itself, after all that waits; its jti. None when the agency has no such stream."""
    if event_streams.find(connection, stream, agency) is None:
        return None
    jti, content = identifier(), {"state": state} if state else {}
    row = {"stream": stream, "jti": jti, "kind": sets.VERIFICATION, "sub": "", "content": content, "at": now}
    events.put(connection, [row], now)
    return jti


def replay(connection: Connection, stream: str, agency: str, since: str | None, now: datetime) -> int | None:
    """Send again what was taken after the event `since` (its jti), or all that is kept; how many.

    None when the agency has no such stream, or the stream keeps no such event.
    """
    if event_streams.find(connection, stream, agency) is None:
        return None
    if since is None:
        return events.again(connection, stream, None, now)
    found = events.place_of(connection, stream, since)
    return events.again(connection, stream, (found[0], found[1] - OVERLAP), now) if found is not None else None


def settle(
    connection: Connection, stream: str, acks: Collection[str], errors: Mapping[str, str], now: datetime
) -> None:
    """What the receiver has taken, and what it could not take (RFC 8936 section 2.4). Others' and unknown ones: nothing.

    An error ends the sending as well, or one token that its receiver cannot read would hold up all others; it is kept
    for a replay.
    """
    for error in sorted({"", *errors.values()}):
        jtis = acks if not error else [jti for jti, said in errors.items() if said == error]
        if jtis:
            events.settle(connection, stream, jtis, error, now)


def waiting(connection: Connection, stream: str, most: int) -> tuple[list[Event], bool]:
    """The oldest that are not settled, in order, and whether there are more."""
    found = events.waiting(connection, stream, most + 1)
    return found[:most], len(found) > most


def deliveries(connection: Connection, stream: str, agency: str) -> list[Delivered] | None:
    """The newest `SHOWN`. None as above."""
    if event_streams.find(connection, stream, agency) is None:
        return None
    return events.latest(connection, stream, SHOWN)


def _row(wanted: Wanted, now: datetime) -> dict[str, object]:
    said = {"kinds": list(wanted.kinds), "status": wanted.status, "endpoint": wanted.endpoint}
    return {**said, **event_streams.fresh(now)}
