"""Which citizen an agency means by a pseudonym. Only the registry can tell."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import subject

_MEET = {
    "sqlite": sqlite_insert(subject).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(subject).on_conflict_do_nothing(),
}


def meet(connection: Connection, agency: str, sub: str, citizen: str) -> None:
    """From now on `sub` can be translated. Meeting again changes nothing."""
    connection.execute(_MEET[connection.dialect.name], {"agency": agency, "sub": sub, "citizen": citizen})


def find(connection: Connection, agency: str, sub: str) -> str | None:
    where = (subject.c.agency == agency, subject.c.sub == sub)
    return connection.execute(select(subject.c.citizen).where(*where)).scalar()
