"""Event streams: who hears of what, and how the receivers that are pushed to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from base.database import Connection
from consent.store.tables import category, event_stream, stream_event

_SOURCE = select(category.c.source).where(category.c.id == bindparam("p_category")).scalar_subquery()
_RECEIVERS = select(event_stream.c.id, event_stream.c.agency, event_stream.c.kinds).where(
    or_(event_stream.c.agency == bindparam("p_agency"), event_stream.c.agency == _SOURCE)
)


@dataclass(frozen=True, slots=True)
class Stream:
    """`kinds`: of which events. `status`: enabled or paused.

    `endpoint`: where they are pushed to, "" when they are polled. `failures`: in a row; `said`: why the last one.
    """

    id: str
    agency: str
    kinds: tuple[str, ...]
    status: str
    created_at: datetime
    endpoint: str
    failures: int
    failing_since: datetime | None
    parked_at: datetime | None
    said: str
    seal: bytes


def receivers(connection: Connection, agency: str, category_id: str) -> list[tuple[str, str, list[str]]]:
    """Streams of a recipient and of a category's source: id, agency, kinds."""
    found = connection.execute(_RECEIVERS, {"p_agency": agency, "p_category": category_id})
    return [(row[0], row[1], row[2]) for row in found]


def add(connection: Connection, row: dict[str, Any]) -> Stream:
    return _stream(connection.execute(insert(event_stream).returning(*event_stream.c), row).one())


def change(connection: Connection, stream: str, agency: str, values: dict[str, Any]) -> Stream | None:
    row = connection.execute(
        update(event_stream).where(*_own(stream, agency)).values(**values).returning(*event_stream.c)
    ).first()
    return _stream(row) if row is not None else None


def remove(connection: Connection, stream: str, agency: str) -> bool:
    gone = connection.execute(delete(event_stream).where(*_own(stream, agency))).rowcount > 0
    if gone:
        connection.execute(delete(stream_event).where(stream_event.c.stream == stream))
    return gone


def find(connection: Connection, stream: str, agency: str) -> Stream | None:
    """By id and agency together: another's is as if it were not there."""
    row = connection.execute(select(event_stream).where(*_own(stream, agency))).first()
    return _stream(row) if row is not None else None


def of_agency(connection: Connection, agency: str) -> list[Stream]:
    """Oldest first."""
    rows = connection.execute(
        select(event_stream)
        .where(event_stream.c.agency == agency)
        .order_by(event_stream.c.created_at, event_stream.c.id)
    )
    return [_stream(row) for row in rows]


def every(connection: Connection) -> list[Stream]:
    """All agencies', for an operator."""
    rows = connection.execute(select(event_stream).order_by(event_stream.c.agency, event_stream.c.created_at))
    return [_stream(row) for row in rows]


def agencies(connection: Connection) -> list[str]:
    """Those that have a stream."""
    return list(connection.execute(select(event_stream.c.agency).distinct()).scalars())


def pushable(connection: Connection, now: datetime) -> list[Stream]:
    """Streams whose receiver may be tried now and for which something waits."""
    waits = select(stream_event.c.seq).where(
        stream_event.c.stream == event_stream.c.id, stream_event.c.done_at.is_(None)
    )
    rows = connection.execute(
        select(event_stream).where(
            event_stream.c.endpoint != "",
            event_stream.c.status == "enabled",
            event_stream.c.parked_at.is_(None),
            event_stream.c.due_at <= now,
            waits.exists(),
        )
    )
    return [_stream(row) for row in rows]


def judge(connection: Connection, stream: Stream, values: dict[str, Any]) -> None:
    """How a turn went; nothing, if its agency or an operator said meanwhile that all begins anew."""
    same = (event_stream.c.id == stream.id, event_stream.c.failures == stream.failures)
    connection.execute(update(event_stream).where(*same).values(**values))


def resume(connection: Connection, stream: str, now: datetime) -> bool:
    """Its receiver is tried at once, and has time to fail again. False when there is no such stream."""
    anew = update(event_stream).where(event_stream.c.id == stream).values(**fresh(now))
    return connection.execute(anew).rowcount > 0


def fresh(now: datetime) -> dict[str, Any]:
    """The columns of a stream that has not failed."""
    return {"failures": 0, "failing_since": None, "due_at": now, "parked_at": None, "said": ""}


def _own(stream: str, agency: str) -> tuple[Any, Any]:
    return event_stream.c.id == stream, event_stream.c.agency == agency


def _stream(row: Any) -> Stream:
    return Stream(
        row.id,
        row.agency,
        tuple(row.kinds),
        row.status,
        row.created_at,
        row.endpoint,
        row.failures,
        row.failing_since,
        row.parked_at,
        row.said,
        row.seal,
    )
