"""Who has custody of whom. A guardian is known by the keyed index of his national number, imported yet or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, insert, select, update

from base.database import Connection
from idp.store.people import StoredCitizen, stored
from idp.store.tables import citizen, guardianship, handle


def replace(connection: Connection, custodies: Mapping[str, Sequence[str]]) -> None:
    """By child its guardians, all of them: who is not among them any more has no custody."""
    if not custodies:
        return
    connection.execute(delete(guardianship).where(guardianship.c.child.in_(list(custodies))))
    rows = [{"child": child, "guardian": one} for child, guardians in custodies.items() for one in guardians]
    if rows:
        connection.execute(insert(guardianship), rows)


def children(connection: Connection, guardian_id: str) -> list[StoredCitizen]:
    """Of a citizen, by his id; those that were forgotten are nobody's."""
    guardian = citizen.alias("guardian")
    whose = guardianship.join(guardian, guardian.c.number_index == guardianship.c.guardian)
    found = select(citizen).select_from(whose.join(citizen, citizen.c.id == guardianship.c.child))
    rows = connection.execute(found.where(guardian.c.id == guardian_id).order_by(citizen.c.id))
    return [stored(row) for row in rows]


def pairs(connection: Connection, handles: Sequence[str]) -> list[tuple[str, str, str]]:
    """Of these children: the handle, the id, and the index of one who has custody."""
    whose = handle.join(guardianship, guardianship.c.child == handle.c.citizen)
    found = select(handle.c.handle, guardianship.c.child, guardianship.c.guardian).select_from(whose)
    rows = connection.execute(found.where(handle.c.handle.in_(handles)).order_by(*found.selected_columns))
    return [(row.handle, row.child, row.guardian) for row in rows]


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
