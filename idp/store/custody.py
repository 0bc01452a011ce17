"""Who has custody of whom. A guardian is known by the keyed index of his national number, imported yet or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, select, update

from base.database import Connection
from idp.store.people import StoredCitizen, stored
from idp.store.tables import citizen, guardianship, handle


@dataclass(frozen=True, slots=True)
class Custody:
    """One row: ids of a child and index of a guardian, with the seal that makes it true."""

    child: str
    guardian: str
    seal: bytes


def replace(connection: Connection, custodies: Mapping[str, Sequence[Custody]]) -> None:
    """By child its guardians, all of them: who is not among them any more has no custody."""
    if not custodies:
        return
    connection.execute(delete(guardianship).where(guardianship.c.child.in_(list(custodies))))
    rows = [asdict(one) for guardians in custodies.values() for one in guardians]
    if rows:
        connection.execute(insert(guardianship), rows)


def children(connection: Connection, guardian_id: str) -> list[tuple[StoredCitizen, Custody]]:
    """Of a citizen, by his id; those that were forgotten are nobody's."""
    guardian = citizen.alias("guardian")
    whose = guardianship.join(guardian, guardian.c.number_index == guardianship.c.guardian)
    found = select(citizen, guardianship.c.guardian, guardianship.c.seal)
    found = found.select_from(whose.join(citizen, citizen.c.id == guardianship.c.child))
    rows = connection.execute(found.where(guardian.c.id == guardian_id).order_by(citizen.c.id))
    return [(stored(row), Custody(row.id, row.guardian, row.seal)) for row in rows]


def pairs(connection: Connection, handles: Sequence[str]) -> list[tuple[str, Custody]]:
    """Of these children: the handle, and one who has custody."""
    whose = handle.join(guardianship, guardianship.c.child == handle.c.citizen)
    found = select(handle.c.handle, guardianship).select_from(whose)
    rows = connection.execute(found.where(handle.c.handle.in_(handles)).order_by(*found.selected_columns))
    return [(row.handle, Custody(row.child, row.guardian, row.seal)) for row in rows]


def count(connection: Connection, child_id: str) -> int:
    """How many guardians a citizen has."""
    his = select(func.count()).select_from(guardianship).where(guardianship.c.child == child_id)
    return connection.execute(his).scalar_one()


def forget(connection: Connection, citizen_id: str) -> None:
    """Before he himself is forgotten: as a child, and as a guardian. The register's next word on his children is new."""
    index = select(citizen.c.number_index).where(citizen.c.id == citizen_id).scalar_subquery()
    his = select(guardianship.c.child).where(guardianship.c.guardian == index)
    connection.execute(update(citizen).where(citizen.c.id.in_(his), citizen.c.row_digest != "").values(row_digest=""))
    mine = (guardianship.c.child == citizen_id) | (guardianship.c.guardian == index)
    connection.execute(delete(guardianship).where(mine))
