"""Which citizen an agency means by a pseudonym. Only the registry can tell."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import subject

_MEET = {
    "sqlite": sqlite_insert(subject).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(subject).on_conflict_do_nothing(),
}
_FIND = select(subject.c.citizen).where(subject.c.agency == bindparam("p_agency"), subject.c.sub == bindparam("p_sub"))
_SHARE = _FIND.with_for_update(read=True)
_HOLD = _FIND.with_for_update()


def meet(connection: Connection, agency: str, sub: str, citizen: str) -> None:
    """From now on `sub` can be translated. Meeting again changes nothing."""
    connection.execute(_MEET[connection.dialect.name], {"agency": agency, "sub": sub, "citizen": citizen})


def find(connection: Connection, agency: str, sub: str) -> str | None:
    return connection.execute(_FIND, {"p_agency": agency, "p_sub": sub}).scalar()


def find_and_share(connection: Connection, agency: str, sub: str) -> str | None:
    """As `find`; until the commit no answer of this citizen to this agency is recorded (PostgreSQL: FOR SHARE)."""
    statement = _FIND if connection.dialect.name == "sqlite" else _SHARE
    return connection.execute(statement, {"p_agency": agency, "p_sub": sub}).scalar()


def hold(connection: Connection, agency: str, sub: str) -> None:
    """Until the commit nobody else answers or issues for this citizen and agency; SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(_HOLD, {"p_agency": agency, "p_sub": sub}).first()
