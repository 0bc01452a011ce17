"""Counting what happened in a month, once; and the figures that were counted, in which no citizen is.

Lines are numbered in the order of time, so a month is a range of the primary key, found by halving: no index that every
permit would have to keep. What the ledger's reconciling put back is numbered later and counts in no month.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, delete, func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import consent_event, counted_month, event_stream, figure, permit, stream_event
from consent.store.tables import data_use as use

WHAT = (
    "allowed", "denied", "unknown", "given", "refused", "withdrawn", "not_taken", "taken", "not_closed", "too_often",
    "near", "rail", "unheard",
)  # fmt: skip
"""`denied`: of citizens; `unknown`: with pseudonyms that we never gave out. `given`, `refused`, `withdrawn`: consents.
`not_taken`: permits that expired so. `taken`: those whose report fell due, of which `not_closed`: nothing was said. `too_often`: denied for the purpose's frequency; `near`: citizens whose uses come
near it, of `rail` citizens who were used at all. `unheard`: events that an agency left untaken for too long."""
_SLACK = timedelta(minutes=15)
"""Units that run beside each other are numbered in another order than they began: by seconds, and never by this."""
_EVENTS = ("given", "refused", "withdrawn")


@dataclass(frozen=True, slots=True)
class Figure:
    """`purpose`: "" for one that was never published to the agency. `people`: how many citizens it is about."""

    month: str
    agency: str
    purpose: str
    what: str
    number: int
    people: int


def uses(connection: Connection, month: str, since: datetime, until: datetime) -> list[Figure]:
    """What was allowed and what was denied, and of which permits nothing came. Permits of the period have expired."""
    is_known = use.c.citizen != ""
    # A citizen who was forgotten has no nonce any more: the line is about somebody, whom nobody can count.
    is_unknown = and_(use.c.citizen == "", func.length(use.c.nonce) > 0)
    is_denied = and_(use.c.decision == "denied", ~is_unknown)
    counted = {
        "allowed": use.c.decision == "allowed",
        "denied": is_denied,
        "not_taken": and_(permit.c.id.is_not(None), permit.c.redeemed_at.is_(None)),
        "too_often": and_(is_denied, use.c.reason == "too_often"),
    }
    columns: list[ColumnElement[int]] = [func.sum(case((is_unknown, 1), else_=0))]
    for one in counted.values():
        columns.append(func.sum(case((one, 1), else_=0)))
        columns.append(func.count(case((and_(one, is_known), use.c.citizen)).distinct()))
    # What was asked for may be any text; that it was none of the agency's is all that is counted of it.
    purpose = case((use.c.purpose_version == 0, ""), else_=use.c.purpose)
    rows = connection.execute(
        select(use.c.recipient, purpose, *columns)
        .select_from(use.outerjoin(permit, permit.c.id == use.c.permit))
        .where(*_between(connection, use, since, until))
        .group_by(use.c.recipient, purpose)
    ).all()
    figures = [Figure(month, row[0], row[1], "unknown", row[2], row[2]) for row in rows]
    for place, what in enumerate(counted):
        figures += [Figure(month, row[0], row[1], what, row[3 + 2 * place], row[4 + 2 * place]) for row in rows]
    return [one for one in figures if one.number]


def reports(connection: Connection, month: str, since: datetime, until: datetime) -> list[Figure]:
    """Permits of this time that a source was shown: how many, and how many their recipients said nothing of."""
    # What the provider releases itself is closed as it is issued, and nobody has to say anything of it.
    is_due = and_(permit.c.redeemed_at.is_not(None), or_(permit.c.closed_at.is_(None), permit.c.outcome.is_not(None)))
    silent = case((permit.c.closed_at.is_(None), permit.c.citizen))
    rows = connection.execute(
        select(
            permit.c.recipient,
            permit.c.purpose,
            func.count(),
            func.count(permit.c.citizen.distinct()),
            func.count(silent),
            func.count(silent.distinct()),
        )
        .select_from(use.join(permit, permit.c.id == use.c.permit))
        .where(*_between(connection, use, since, until), is_due)
        .group_by(permit.c.recipient, permit.c.purpose)
    ).all()
    figures = [Figure(month, row[0], row[1], "taken", row[2], row[3]) for row in rows]
    return figures + [Figure(month, row[0], row[1], "not_closed", row[4], row[5]) for row in rows if row[4]]


def answers(connection: Connection, month: str, since: datetime, until: datetime) -> list[Figure]:
    """What citizens said, by kind of data asked."""
    event = consent_event.c
    rows = connection.execute(
        select(event.agency, event.purpose, event.type, func.count(), func.count(event.citizen.distinct()))
        .where(*_between(connection, consent_event, since, until), event.type.in_(_EVENTS), event.citizen != "")
        .group_by(event.agency, event.purpose, event.type)
    )
    return [Figure(month, *row) for row in rows]


def near(
    connection: Connection, month: str, agency: str, purpose: str, *, least: int, since: datetime, until: datetime
) -> list[Figure]:
    """How many citizens had at least so many uses in the time, and how many had any."""
    of = (use.c.recipient == agency, use.c.purpose == purpose, use.c.decision == "allowed", use.c.citizen != "")
    each = (
        select(func.count().label("uses"))
        .where(*_between(connection, use, since, until), *of)
        .group_by(use.c.citizen)
        .subquery()
    )
    found = connection.execute(
        select(func.coalesce(func.sum(case((each.c.uses >= least, 1), else_=0)), 0), func.count()).select_from(each)
    ).one()
    return [
        Figure(month, agency, purpose, what, number, number)
        for what, number in zip(("near", "rail"), found, strict=True)
        if number
    ]


def unheard(connection: Connection, month: str, since: datetime, until: datetime) -> list[Figure]:
    """Events that wait since this time and that their agencies have not taken at all."""
    event = stream_event.c
    where = (event.done_at.is_(None), event.waits_since >= since, event.waits_since < until, event.sub != "")
    rows = connection.execute(
        select(event_stream.c.agency, func.count(), func.count(event.sub.distinct()))
        .select_from(stream_event.join(event_stream, event_stream.c.id == event.stream))
        .where(*where)
        .group_by(event_stream.c.agency)
    )
    return [Figure(month, row[0], "", "unheard", row[1], row[2]) for row in rows]


def counted(connection: Connection, months: Iterable[str]) -> dict[str, datetime]:
    """Until when each of these months is counted."""
    rows = connection.execute(select(counted_month).where(counted_month.c.month.in_(list(months))))
    return {row.month: row.until for row in rows}


def keep(connection: Connection, month: str, until: datetime, figures: Sequence[Figure]) -> None:
    """Replace what was counted of the month before; nothing happens when that went on as far or further."""
    insertion = (sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert)(counted_month)
    # Who counts beside us waits here for our commit.
    claimed = insertion.on_conflict_do_update(
        index_elements=["month"], set_={"until": until}, where=counted_month.c.until < insertion.excluded.until
    ).returning(counted_month.c.month)
    if connection.execute(claimed, {"month": month, "until": until}).first() is None:
        return
    connection.execute(delete(figure).where(figure.c.month == month))
    rows = [{column.name: getattr(one, column.name) for column in figure.c} for one in figures]
    if rows:
        connection.execute(insert(figure), rows)


def figures(connection: Connection, months: Iterable[str]) -> list[Figure]:
    rows = connection.execute(select(figure).where(figure.c.month.in_(list(months))))
    return [Figure(row.month, row.agency, row.purpose, row.what, row.number, row.people) for row in rows]


def _between(connection: Connection, table: Table, since: datetime, until: datetime) -> list[ColumnElement[bool]]:
    first, last = _place(connection, table, since - _SLACK), _place(connection, table, until + _SLACK)
    return [table.c.seq >= first, table.c.seq < last, table.c.at >= since, table.c.at < until]


def _place(connection: Connection, table: Table, at: datetime) -> int:
    """The number of the first line that is not before this."""
    # Each end by a statement of its own: SQLite reads the whole table when asked for both.
    low, high = (connection.execute(select(end(table.c.seq))).scalar() for end in (func.min, func.max))
    if low is None or high is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        row: Any = connection.execute(
            select(table.c.seq, table.c.at).where(table.c.seq >= middle).order_by(table.c.seq).limit(1)
        ).one()
        if row.at < at:
            low = row.seq + 1
        else:
            high = middle
    return int(low)
