"""What waits in event streams, and consents whose time is up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from base.database import Connection
from base.database.cleaning import Rule
from consent.store.records import Record, record_of
from consent.store.tables import consent, stream_event

RULES = (Rule(stream_event, "done_at", timedelta(days=30)),)
"""How long what was taken is kept for a replay. What was not taken: consent.events.lost."""

_PUT = insert(stream_event)
_WAITING = (
    select(stream_event)
    .where(stream_event.c.stream == bindparam("p_stream"), stream_event.c.done_at.is_(None))
    .order_by(stream_event.c.seq)
    .limit(bindparam("p_limit"))
)
_EXPIRED = (
    consent.c.state == "given",
    consent.c.current,
    ~consent.c.expiry_told,
    consent.c.expires_at <= bindparam("p_now", type_=consent.c.expires_at.type),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event in one stream. `sub`: the citizen as the stream's agency knows him; "" when it is about the stream."""

    seq: int
    stream: str
    jti: str
    kind: str
    sub: str
    content: dict[str, Any]
    at: datetime


def put(connection: Connection, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    connection.execute(_PUT, [{**row, "waits_since": now, "error": ""} for row in rows])


def latest(connection: Connection, stream: str, limit: int) -> list[tuple[Event, datetime | None, str]]:
    """The newest events, with when they were settled, and the error if they were refused."""
    statement = select(stream_event).where(stream_event.c.stream == stream).order_by(stream_event.c.seq.desc())
    rows = connection.execute(statement.limit(limit))
    return [(_event(row), row.done_at, row.error) for row in rows]


def waiting(connection: Connection, stream: str, limit: int) -> list[Event]:
    """What is not settled, oldest first."""
    rows = connection.execute(_WAITING, {"p_stream": stream, "p_limit": limit})
    return [_event(row) for row in rows]


def count_waiting(connection: Connection, stream: str) -> int:
    where = (stream_event.c.stream == stream, stream_event.c.done_at.is_(None))
    return int(connection.execute(select(func.count()).select_from(stream_event).where(*where)).scalar_one())


def oldest_waiting(connection: Connection, stream: str, but: str) -> datetime | None:
    """Since when the longest waiting event of a stream waits, but for one kind."""
    where = (stream_event.c.stream == stream, stream_event.c.done_at.is_(None), stream_event.c.kind != but)
    found: datetime | None = connection.execute(select(func.min(stream_event.c.waits_since)).where(*where)).scalar()
    return found


def is_untaken(connection: Connection, before: datetime, but: str) -> bool:
    where = (stream_event.c.waits_since < before, stream_event.c.done_at.is_(None), stream_event.c.kind != but)
    return connection.execute(select(stream_event.c.seq).where(*where).limit(1)).first() is not None


def drop_untaken(connection: Connection, before: datetime, but: str, limit: int) -> list[tuple[str, datetime]]:
    """Delete some of what waits since before this, but for one kind: of each its stream, and since when it waited."""
    old = (
        select(stream_event.c.seq)
        .where(stream_event.c.waits_since < before, stream_event.c.done_at.is_(None), stream_event.c.kind != but)
        .order_by(stream_event.c.waits_since)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = delete(stream_event).where(stream_event.c.seq.in_(old))
    rows = connection.execute(gone.returning(stream_event.c.stream, stream_event.c.waits_since))
    return [(row.stream, row.waits_since) for row in rows]


def waiting_of_kind(connection: Connection, stream: str, kind: str) -> list[Event]:
    """Those of a kind that wait in a stream."""
    where = (stream_event.c.stream == stream, stream_event.c.done_at.is_(None), stream_event.c.kind == kind)
    return [_event(row) for row in connection.execute(select(stream_event).where(*where))]


def remove(connection: Connection, seq: int) -> bool:
    """One that waits; False when it was taken meanwhile."""
    where = (stream_event.c.seq == seq, stream_event.c.done_at.is_(None))
    return connection.execute(delete(stream_event).where(*where)).rowcount > 0


def settle(connection: Connection, stream: str, jtis: Collection[str], error: str, now: datetime) -> None:
    """`error`: "" when they were taken. What was settled before stays as it was."""
    mine = (stream_event.c.jti.in_(jtis), stream_event.c.stream == stream, stream_event.c.done_at.is_(None))
    connection.execute(update(stream_event).where(*mine).values(done_at=now, error=error))


def place_of(connection: Connection, stream: str, jti: str) -> tuple[int, datetime] | None:
    """The number of an event, and when it happened."""
    where = (stream_event.c.jti == jti, stream_event.c.stream == stream)
    row = connection.execute(select(stream_event.c.seq, stream_event.c.at).where(*where)).first()
    return (row.seq, row.at) if row is not None else None


def again(connection: Connection, stream: str, since: tuple[int, datetime] | None, now: datetime) -> int:
    """What was settled waits again: what was told after the number `since`, and what happened since then."""
    where = [stream_event.c.stream == stream, stream_event.c.done_at.is_not(None)]
    if since is not None:
        # An end by time happened when the time was up, and may be told long after that.
        where.append(or_(stream_event.c.seq >= since[0], stream_event.c.at >= since[1]))
    anew = update(stream_event).where(*where).values(done_at=None, error="", waits_since=now)
    return connection.execute(anew).rowcount


def forget(connection: Connection, subs: Collection[str]) -> None:
    """What was told of a citizen; what was not taken yet still waits, or nobody would hear that it ended."""
    connection.execute(delete(stream_event).where(stream_event.c.sub.in_(subs), stream_event.c.done_at.is_not(None)))


def are_expired(connection: Connection, now: datetime) -> bool:
    """Whether there are consents whose time is up and of which nobody was told."""
    return connection.execute(select(consent.c.id).where(*_EXPIRED).limit(1), {"p_now": now}).first() is not None


def expired(connection: Connection, now: datetime, limit: int) -> list[Record]:
    """Those, and from this commit on they are told of."""
    some = select(consent.c.id).where(*_EXPIRED).order_by(consent.c.expires_at).limit(limit)
    some = some.with_for_update(skip_locked=True)
    marked = update(consent).where(consent.c.id.in_(some), *_EXPIRED).values(expiry_told=True)
    return [record_of(row) for row in connection.execute(marked.returning(*consent.c), {"p_now": now})]


def expired_of(connection: Connection, now: datetime, citizen: str) -> list[Record]:
    """As `expired`, all of one citizen's."""
    marked = update(consent).where(consent.c.citizen == citizen, *_EXPIRED).values(expiry_told=True)
    return [record_of(row) for row in connection.execute(marked.returning(*consent.c), {"p_now": now})]


def _event(row: Any) -> Event:
    return Event(row.seq, row.stream, row.jti, row.kind, row.sub, row.content, row.at)
