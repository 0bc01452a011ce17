"""Reading the whole register for an audit: lines page by page, and what differs by statements that answer that alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Table, and_, case, false, or_, select, true, tuple_

from base.database import Connection
from consent.store.records import Record, record_of
from consent.store.statuses import ALL
from consent.store.tables import (
    act,
    agency,
    category,
    consent,
    consent_event,
    consent_status,
    data_use,
    forgotten_status,
    lookup,
    notice,
    permit,
    purpose,
    redemption,
    subject,
    use_report,
)

PAGE = 2000
ENDS = ("withdrawn", "used")
"""Events that end a consent."""
_KINDS = (
    ("consent", consent_event),
    ("use", data_use),
    ("redemption", redemption),
    ("report", use_report),
    ("lookup", lookup),
    ("act", act),
    ("place", consent_status),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One row that the ledger commits to. `kind`: as consent.ledger.leaf names it."""

    table: str
    kind: str
    row: dict[str, Any]


def lines(connection: Connection) -> list[Iterator[Line]]:
    """All rows of each table, in the order in which they were written."""
    return [_rows(connection, kind, table) for kind, table in _KINDS]


def newest(connection: Connection) -> datetime | None:
    """When the last line of the register was written, by the clock that wrote it."""
    last = [
        connection.execute(select(table.c.at).order_by(table.c.seq.desc()).limit(1)).scalar() for _, table in _KINDS
    ]
    return max((at for at in last if at is not None), default=None)


def acts(connection: Connection) -> Iterator[Line]:
    return _rows(connection, "act", act)


def catalogue_rows(connection: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Agencies, categories and purposes as they stand."""
    found = [connection.execute(select(table)).all() for table in (agency, category, purpose)]
    agencies, categories, purposes = ([dict(row._mapping) for row in rows] for rows in found)  # noqa: SLF001 - a public name
    return agencies, categories, purposes


def notices(connection: Connection) -> Iterator[tuple[str, bytes]]:
    for row in connection.execute(select(notice)):
        yield row.hash, row.content


def subjects(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Agency, pseudonym and citizen, page by page."""
    after, key = ("", ""), tuple_(subject.c.agency, subject.c.sub)
    while page := connection.execute(
        select(subject).where(key > after).order_by(subject.c.agency, subject.c.sub).limit(PAGE)
    ).all():
        yield from ((row.agency, row.sub, row.citizen) for row in page)
        after = (page[-1].agency, page[-1].sub)


def events_without_notice(connection: Connection) -> Iterator[int]:
    lost = consent_event.outerjoin(notice, notice.c.hash == consent_event.c.notice_hash)
    yield from connection.execute(
        select(consent_event.c.seq).select_from(lost).where(notice.c.hash.is_(None))
    ).scalars()


def records(connection: Connection) -> Iterator[Record]:
    """All answers, page by page."""
    after = ""
    while page := connection.execute(
        select(consent).where(consent.c.id > after).order_by(consent.c.id).limit(PAGE)
    ).all():
        yield from (record_of(row) for row in page)
        after = page[-1].id


def seals_of_permits(connection: Connection) -> Iterator[tuple[str, bytes, bool]]:
    """By permit its seal, and whether it was taken; page by page."""
    after, taken = "", permit.c.redeemed_at.is_not(None).label("taken")
    while page := connection.execute(
        select(permit.c.id, permit.c.seal, taken).where(permit.c.id > after).order_by(permit.c.id).limit(PAGE)
    ).all():
        yield from ((row.id, row.seal, row.taken) for row in page)
        after = page[-1].id


def answers_that_differ(connection: Connection) -> Iterator[tuple[str, str]]:
    """By consent: what is wrong with the answer that is made from its events."""
    made, ended = consent_event.alias("made"), consent_event.alias("ended")
    state = case((ended.c.seq.is_not(None), ended.c.type), else_=made.c.type)
    names = (
        "citizen",
        "agency",
        "purpose",
        "purpose_version",
        "category",
        "at",
        "expires_at",
        "once",
        "notice_hash",
        "language",
    )
    both = made.outerjoin(ended, and_(ended.c.consent == made.c.consent, ended.c.type.in_(ENDS))).join(
        consent, consent.c.id == made.c.consent, isouter=True
    )
    differs = [made.c[name].is_distinct_from(consent.c[name]) for name in (*names, "seq")]
    differs.append(consent.c.state.is_distinct_from(state))
    differs.append(and_(ended.c.seq.is_not(None), consent.c.ended_at.is_distinct_from(ended.c.at)))
    lives = and_(made.c.type.not_in(ENDS), made.c.citizen != "")
    yield from _found(connection, made.c.consent, both, and_(lives, or_(*differs)), "is not what its events say")
    alone = consent.outerjoin(made, and_(made.c.seq == consent.c.seq, made.c.consent == consent.c.id))
    yield from _found(connection, consent.c.id, alone, made.c.seq.is_(None), "has no event")
    newer = consent.alias("newer")
    key = [newer.c[name] == consent.c[name] for name in ("citizen", "agency", "purpose", "category")]
    is_old = select(newer.c.id).where(*key, newer.c.seq > consent.c.seq).exists()
    counts = consent.c.current.is_distinct_from(case((is_old, false()), else_=true()))
    yield from _found(connection, consent.c.id, consent, counts, "counts, and is not the newest answer, or the reverse")
    placed = consent.outerjoin(consent_status, consent_status.c.consent == consent.c.id)
    moved = or_(
        consent.c.status_list.is_distinct_from(consent_status.c.list),
        consent.c.status_idx.is_distinct_from(consent_status.c.idx),
    )
    yield from _found(connection, consent.c.id, placed, moved, "has another bit in the status lists than was drawn")
    place = and_(forgotten_status.c.list == consent_status.c.list, forgotten_status.c.idx == consent_status.c.idx)
    left = consent_status.outerjoin(consent, consent.c.id == consent_status.c.consent).outerjoin(
        forgotten_status, place
    )
    whole = forgotten_status.alias()
    closed = select(whole.c.at).where(whole.c.list == consent_status.c.list, whole.c.idx == ALL)
    lost = and_(consent.c.id.is_(None), forgotten_status.c.idx.is_(None), ~closed.exists())
    yield from _found(
        connection, consent_status.c.consent, left, lost, "is gone, and the status lists say that it holds"
    )


def bits_that_differ(connection: Connection) -> Iterator[tuple[str, str]]:
    """By list and index: bits that were set for good, and nothing says why."""
    place = and_(forgotten_status.c.list == consent_status.c.list, forgotten_status.c.idx == consent_status.c.idx)
    drawn = forgotten_status.outerjoin(consent_status, place).outerjoin(
        consent, consent.c.id == consent_status.c.consent
    )
    closed = select(act.c.seq).where(act.c.event == "ledger.reconciled", act.c.at == forgotten_status.c.at).exists()
    nobodys = or_(consent_status.c.seq.is_(None), consent.c.id.is_not(None))
    wrong = case((forgotten_status.c.idx == ALL, ~closed), else_=nobodys)
    for row in connection.execute(select(forgotten_status).select_from(drawn).where(wrong)):
        yield f"{row.list} {row.idx}", "says that a consent holds no more, and nothing says why"


def permits_that_differ(connection: Connection) -> Iterator[tuple[str, str]]:
    """By permit: what is wrong with it by the line of its use, and by the line of its being taken."""
    names = ("citizen", "recipient", "source", "purpose", "categories")
    used = permit.outerjoin(data_use, and_(data_use.c.permit == permit.c.id, data_use.c.decision == "allowed"))
    differs = [data_use.c[name].is_distinct_from(permit.c[name]) for name in names]
    differs.append(data_use.c.at.is_distinct_from(permit.c.issued_at))
    yield from _found(connection, permit.c.id, used, or_(*differs), "is not what the line of its use says")
    lost = data_use.outerjoin(permit, permit.c.id == data_use.c.permit)
    gone = and_(data_use.c.permit.is_not(None), data_use.c.citizen != "", permit.c.id.is_(None))
    yield from _found(connection, data_use.c.permit, lost, gone, "is gone")
    taken = permit.outerjoin(redemption, redemption.c.permit == permit.c.id)
    # What the provider itself releases is taken as it is issued, and its use is the line of both.
    at = case((redemption.c.seq.is_not(None), redemption.c.at), else_=permit.c.issued_at)
    untold = and_(permit.c.redeemed_at.is_not(None), permit.c.redeemed_at != at)
    forgotten = and_(redemption.c.seq.is_not(None), permit.c.redeemed_at.is_(None))
    yield from _found(connection, permit.c.id, taken, or_(untold, forgotten), "was taken otherwise than its line says")
    told = permit.outerjoin(use_report, use_report.c.permit == permit.c.id)
    differs = [use_report.c[name].is_distinct_from(permit.c[name]) for name in ("citizen", "recipient", "outcome")]
    differs.append(use_report.c.at.is_distinct_from(permit.c.closed_at))
    said = and_(use_report.c.seq.is_not(None), or_(*differs))
    # What the provider itself releases is closed as it is issued, and nobody says a word of it.
    unsaid = and_(use_report.c.seq.is_(None), permit.c.closed_at.is_distinct_from(_closed_at_once()))
    words = and_(use_report.c.seq.is_(None), permit.c.outcome.is_not(None))
    yield from _found(
        connection, permit.c.id, told, or_(said, unsaid, words), "was closed otherwise than its report says"
    )


def _closed_at_once() -> Any:
    """When a permit that nobody redeemed was taken: as it was issued."""
    by_a_source = select(redemption.c.seq).where(redemption.c.permit == permit.c.id).exists()
    taken = permit.c.redeemed_at.is_not(None)
    return case((and_(taken, ~by_a_source), permit.c.issued_at), else_=None)


def _found(connection: Connection, name: Any, of: FromClause, wrong: Any, what: str) -> Iterator[tuple[str, str]]:
    for found in connection.execute(select(name).select_from(of).where(wrong)).scalars():
        yield found, what


def _rows(connection: Connection, kind: str, table: Table) -> Iterator[Line]:
    after = -(2**63)
    while True:
        page = connection.execute(select(table).where(table.c.seq > after).order_by(table.c.seq).limit(PAGE)).all()
        yield from (Line(table.name, kind, dict(row._mapping)) for row in page)  # noqa: SLF001 - a public name all the same
        if len(page) < PAGE:
            return
        after = page[-1].seq
