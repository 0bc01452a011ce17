"""Whose database this is: the mark of the keys that it was made with. With others nobody would be found in it."""

from __future__ import annotations

from sqlalchemy import select

from base.database import Connection, Database
from base.database.tables import HOUSE, insert_of

_MARK = select(HOUSE.c.mark)


def belongs(database: Database, mark: str) -> bool:
    """Whether the database is of the house with this mark; one that is nobody's yet becomes its."""
    found = database.read_now(_found)
    if found is None:
        found = database.write_now(lambda c: _first(c, mark))
    return found == mark


def _found(connection: Connection) -> str | None:
    mark: str | None = connection.execute(_MARK).scalar()
    return mark


def _first(connection: Connection, mark: str) -> str | None:
    """Of processes that come together one is the first."""
    connection.execute(insert_of(connection)(HOUSE).values(one=1, mark=mark).on_conflict_do_nothing())
    return _found(connection)
