"""Emptying what says who a citizen was. The lines stay, as lines about nobody; their leaves stay in the tree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal, select, update

from base.database import Connection
from consent.store.tables import (
    complaint,
    consent,
    consent_event,
    data_use,
    estonia_validation,
    forgotten_status,
    lodged_request,
    lookup,
    permit,
    redemption,
    reminder,
    use_report,
)

_TABLES = {"consent": consent_event, "use": data_use, "redemption": redemption, "report": use_report, "lookup": lookup}


def lines(connection: Connection, citizen: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """His lines, with what kind of event each is."""
    for kind, table in _TABLES.items():
        for row in connection.execute(select(table).where(table.c.citizen == citizen)):
            yield kind, dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name has the underscore


def pressed(connection: Connection, guardian: str) -> list[str]:
    """The leaves of what he did for others; from now on nothing leads from them to him."""
    mine = consent_event.c.guardian == guardian
    leaves = connection.execute(select(consent_event.c.leaf).where(mine, consent_event.c.citizen != ""))
    found = list(leaves.scalars())
    for table in (consent_event, complaint):
        connection.execute(update(table).where(table.c.guardian == guardian).values(guardian=""))
    return found


def forget(connection: Connection, citizen: str, now: datetime) -> None:
    """Empty his lines, and delete what was made from them."""
    # Agencies may hold his consents signed: that these hold no more must be told after their rows are gone.
    placed = select(consent.c.status_list, consent.c.status_idx, literal(now, consent.c.at.type)).where(
        consent.c.citizen == citizen, consent.c.status_list.is_not(None)
    )
    connection.execute(insert(forgotten_status).from_select(["list", "idx", "at"], placed))
    # Permits by their uses, as long as these say whose they are: no index leads to all permits of a citizen.
    his = select(data_use.c.permit).where(data_use.c.citizen == citizen)
    connection.execute(delete(estonia_validation).where(estonia_validation.c.permit.in_(his)))
    connection.execute(delete(permit).where(permit.c.id.in_(his)))
    for table in _TABLES.values():
        mine = table.c.citizen == bindparam("p_citizen")
        emptied = {"citizen": "", "nonce": b"", **({"guardian": ""} if "guardian" in table.c else {})}
        connection.execute(update(table).where(mine).values(**emptied), {"p_citizen": citizen})
    for projection in (complaint, consent, lodged_request, reminder):
        connection.execute(delete(projection).where(projection.c.citizen == citizen))
