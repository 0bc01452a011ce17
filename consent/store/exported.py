"""What a citizen's export reads: rows as they were written, a page at a time, the newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from base.database import Connection
from consent.store.tables import consent_event, data_use, lodged_request, permit, subject


def pseudonyms(connection: Connection, citizen: str) -> list[dict[str, Any]]:
    """What each agency knows him by."""
    mine = subject.c.citizen == citizen
    return _rows(connection, select(subject.c.agency, subject.c.sub).where(mine).order_by(subject.c.agency))


def requests(connection: Connection, citizen: str) -> list[dict[str, Any]]:
    """What agencies asked; their number is bounded (consent.lodging.MOST_OPEN, consent.store.lodged.KEPT)."""
    columns = [lodged_request.c[name] for name in ("id", "agency", "uses", "state", "lodged_at", "expires_at")]
    mine = lodged_request.c.citizen == citizen
    return _rows(connection, select(*columns).where(mine).order_by(lodged_request.c.lodged_at.desc()))


def pressed(connection: Connection, citizen: str, limit: int) -> list[dict[str, Any]]:
    """What he did as a guardian, newest first; for whom is that other's own."""
    names = ("type", "agency", "purpose", "category", "at", "leaf")
    mine = (consent_event.c.guardian == citizen, consent_event.c.guardian != "")
    statement = select(*(consent_event.c[name] for name in names)).where(*mine).order_by(consent_event.c.seq.desc())
    return _rows(connection, statement.limit(limit))


def uses(connection: Connection, citizen: str, *, before: int | None, limit: int) -> list[dict[str, Any]]:
    """With `redeemed_at`: when the permit was taken; `outcome`: what its recipient said of it."""
    statement = (
        select(data_use, permit.c.redeemed_at, permit.c.outcome)
        .select_from(data_use.outerjoin(permit, permit.c.id == data_use.c.permit))
        .where(data_use.c.citizen == citizen)
        .order_by(data_use.c.seq.desc())
        .limit(limit)
    )
    return _rows(connection, statement if before is None else statement.where(data_use.c.seq < before))


def newest(connection: Connection, citizen: str) -> list[tuple[str, int]]:
    """Leaf and place of what was written last, of each kind that has receipts."""
    found = []
    for table in (consent_event, data_use):
        last = select(func.max(table.c.seq)).where(table.c.citizen == citizen).scalar_subquery()
        row = connection.execute(select(table.c.leaf, table.c.leaf_seq).where(table.c.seq == last)).first()
        found += [(row[0], row[1])] if row is not None else []
    return found


def _rows(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public name has the underscore
