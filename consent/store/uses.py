"""History of uses and denied attempts, and the permits themselves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, select, update

from base.database import Connection
from base.database.prepared import Prepared
from consent.store.tables import data_use as use
from consent.store.tables import permit, redemption

_USE, _PERMIT, _REDEMPTION = (
    Prepared(insert(table), tuple(column.name for column in table.c if column.name not in unsaid))
    for table, unsaid in ((use, ("seq",)), (permit, ("outcome",)), (redemption, ("seq",)))
)
_TAKE = Prepared(
    update(permit)
    .where(
        permit.c.id == bindparam("p_id"),
        permit.c.source == bindparam("p_source"),
        permit.c.redeemed_at.is_(None),
        permit.c.expires_at > bindparam("p_now"),
        permit.c.seal == bindparam("p_seal"),
        # A row put back whole, seal and all, was taken nevertheless.
        ~select(redemption.c.seq).where(redemption.c.permit == permit.c.id).exists(),
    )
    .values(redeemed_at=bindparam("p_now"), seal=bindparam("p_none", b""))
    .returning(*permit.c)
)


@dataclass(frozen=True, slots=True)
class Use:
    """One line of "who used my data"."""

    seq: int
    recipient: str
    source: str
    purpose: str
    purpose_version: int
    categories: tuple[str, ...]
    kind: str
    legal_basis: str
    decision: str
    reason: str
    at: datetime
    permit: str | None
    redeemed_at: datetime | None
    closed_at: datetime | None
    outcome: str | None
    leaf: str


@dataclass(frozen=True, slots=True)
class Permit:
    id: str
    citizen: str
    recipient: str
    source: str
    purpose: str
    categories: tuple[str, ...]
    consents: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None
    seal: bytes


def add_use(connection: Connection, row: dict[str, Any]) -> None:
    _USE.run(connection, row)


def add_permit(connection: Connection, row: dict[str, Any]) -> None:
    _PERMIT.run(connection, row)


def add_redemption(connection: Connection, row: dict[str, Any]) -> None:
    _REDEMPTION.run(connection, row)


def redeem(connection: Connection, permit_id: str, source: str, seal: bytes, now: datetime) -> Permit | None:
    """Take it once, as its source, while it lives: one conditional update. None when any of that fails."""
    row = _TAKE.first(connection, {"p_id": permit_id, "p_source": source, "p_seal": seal, "p_now": now})
    return _permit(row) if row is not None else None


def give_back(connection: Connection, permit_id: str) -> None:
    """It was not taken after all; without its seal it never is."""
    connection.execute(update(permit).where(permit.c.id == permit_id).values(redeemed_at=None))


def find(connection: Connection, permit_id: str) -> Permit | None:
    row = connection.execute(select(permit).where(permit.c.id == permit_id)).first()
    return _permit(row) if row is not None else None


def open_permits(connection: Connection, citizen: str, consent_ids: Sequence[str], now: datetime) -> list[Permit]:
    """Permits that rest on these consents and can still be taken: a withdrawal names them."""
    rows = connection.execute(
        select(permit).where(permit.c.citizen == citizen, permit.c.expires_at > now, permit.c.redeemed_at.is_(None))
    )
    wanted = set(consent_ids)
    return [_permit(row) for row in rows if wanted & set(row.consents)]


def of_citizen(
    connection: Connection,
    citizen: str,
    *,
    before: int | None,
    limit: int,
    agency: str | None = None,
    purpose: str | None = None,
    decision: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Use]:
    """Newest first. `before`: only lines older than this one."""
    statement = (
        select(use, permit.c.redeemed_at, permit.c.closed_at, permit.c.outcome)
        .select_from(use.outerjoin(permit, permit.c.id == use.c.permit))
        .where(*_wanted(citizen, agency, purpose, decision, since, until))
        .order_by(use.c.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(use.c.seq < before)
    return [
        Use(
            row.seq,
            row.recipient,
            row.source,
            row.purpose,
            row.purpose_version,
            tuple(row.categories),
            row.use_kind,
            row.legal_basis,
            row.decision,
            row.reason,
            row.at,
            row.permit,
            row.redeemed_at,
            row.closed_at,
            row.outcome,
            row.leaf,
        )
        for row in connection.execute(statement)
    ]


def counts(
    connection: Connection,
    citizen: str,
    starts: Sequence[datetime],
    *,
    agency: str | None = None,
    purpose: str | None = None,
    decision: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, list[int]]:
    """How many lines were allowed and denied from each moment of `starts` to the next, in one walk of them."""
    spans = list(itertools.pairwise(starts))
    columns = [func.sum(case((and_(use.c.at >= begin, use.c.at < end), 1), else_=0)) for begin, end in spans]
    wanted = _wanted(citizen, agency, purpose, decision, since, until)
    rows = connection.execute(
        select(use.c.decision, *columns).where(*wanted, use.c.at >= starts[0]).group_by(use.c.decision)
    )
    found = {row[0]: [int(one) for one in row[1:]] for row in rows}
    return {one: found.get(one, [0] * len(spans)) for one in ("allowed", "denied")}


def first(connection: Connection, citizen: str) -> datetime | None:
    """When the oldest line is of."""
    return connection.execute(
        select(use.c.at).where(use.c.citizen == citizen).order_by(use.c.seq).limit(1)
    ).scalar_one_or_none()


def purposes(connection: Connection, citizen: str) -> list[str]:
    return list(connection.execute(select(use.c.purpose).where(use.c.citizen == citizen).distinct()).scalars())


def count_since(connection: Connection, citizen: str, recipient: str, purpose: str, since: datetime) -> int:
    """How often one purpose was used, denied attempts not counted."""
    of = (use.c.citizen == citizen, use.c.recipient == recipient, use.c.purpose == purpose, use.c.decision == "allowed")
    return connection.execute(select(func.count()).select_from(use).where(*of, use.c.at > since)).scalar_one()


def row(connection: Connection, citizen: str, leaf: str) -> dict[str, Any] | None:
    """One line as it was written, with what its leaf is opened by."""
    found = connection.execute(select(use).where(use.c.citizen == citizen, use.c.leaf == leaf)).first()
    return dict(found._mapping) if found is not None else None  # noqa: SLF001 - SQLAlchemy's public name has the underscore


def last_uses(connection: Connection, citizen: str) -> dict[tuple[str, str, str], datetime]:
    """By (recipient, purpose, category): when it was last allowed."""
    last = func.max(use.c.at)
    rows = connection.execute(
        select(use.c.recipient, use.c.purpose, use.c.categories, last.label("at"))
        .where(use.c.citizen == citizen, use.c.decision == "allowed")
        .group_by(use.c.recipient, use.c.purpose, use.c.categories)
        .order_by(last)
    )
    return {(row.recipient, row.purpose, category): row.at for row in rows for category in row.categories}


def last_of(connection: Connection, citizen: str, recipient: str, purpose: str, category: str) -> str | None:
    """The leaf of the last use that was allowed of this kind of data. Looked for among the last hundred for the purpose."""
    of = (use.c.citizen == citizen, use.c.recipient == recipient, use.c.purpose == purpose, use.c.decision == "allowed")
    rows = connection.execute(
        select(use.c.leaf, use.c.categories)
        .where(*of, use.c.use_kind != "exchange")
        .order_by(use.c.seq.desc())
        .limit(100)
    )
    return next((row.leaf for row in rows if category in row.categories), None)


def recipients(connection: Connection, citizen: str) -> list[str]:
    return list(connection.execute(select(use.c.recipient).where(use.c.citizen == citizen).distinct()).scalars())


def _wanted(
    citizen: str,
    agency: str | None,
    purpose: str | None,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    equal = ((use.c.recipient, agency), (use.c.purpose, purpose), (use.c.decision, decision))
    wanted = [use.c.citizen == citizen, *(column == value for column, value in equal if value is not None)]
    if since is not None:
        wanted.append(use.c.at >= since)
    if until is not None:
        wanted.append(use.c.at < until)
    return wanted


def _permit(row: Any) -> Permit:
    return Permit(
        row.id,
        row.citizen,
        row.recipient,
        row.source,
        row.purpose,
        tuple(row.categories),
        tuple(row.consents),
        row.issued_at,
        row.expires_at,
        row.redeemed_at,
        row.seal,
    )
