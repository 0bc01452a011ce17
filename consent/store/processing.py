"""What the processing log is read from: the lines about citizens, oldest first, a page at a time."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Select, Table, select

from base.database import Connection
from consent.store.tables import consent_event, data_use, lookup, permit, redemption, use_report


def _of_permit(table: Table) -> Select[Any]:
    """With the purpose of the permit, and its version: the line of the use is found among those of its citizen."""
    use = (data_use.c.citizen == table.c.citizen, data_use.c.permit == table.c.permit)
    version = select(data_use.c.purpose_version).where(*use).limit(1).scalar_subquery()
    joined = table.outerjoin(permit, permit.c.id == table.c.permit)
    return select(table, permit.c.purpose.label("purpose_of"), version.label("purpose_version")).select_from(joined)


_TABLES = {
    "consent": (consent_event, select(consent_event)),
    "use": (data_use, select(data_use)),
    "redemption": (redemption, _of_permit(redemption)),
    "report": (use_report, _of_permit(use_report)),
    "lookup": (lookup, select(lookup)),
}
KINDS = tuple(_TABLES)


def lines(
    connection: Connection, kind: str, *, after: int, limit: int, until: datetime, citizen: str | None = None
) -> list[dict[str, Any]]:
    """Those of one kind behind line `after`; of everybody, or of one citizen by the registry's handle.

    They end before the first that is younger than `until`: beside it another may be written still, with a number before.
    """
    table, statement = _TABLES[kind]
    statement = statement.where(table.c.seq > after).order_by(table.c.seq).limit(limit)
    if citizen is not None:
        statement = statement.where(table.c.citizen == citizen)
    rows = takewhile(lambda row: row.at <= until, connection.execute(statement))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name has the underscore
