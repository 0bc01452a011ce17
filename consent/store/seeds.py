"""A citizen's seed, from which the salts of his leaves are made. Erased, his leaves say nothing for ever."""

from __future__ import annotations

import os

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import citizen_seed

BYTES = 32

_FIND = select(citizen_seed.c.seed).where(citizen_seed.c.citizen == bindparam("p_citizen"))
_MAKE = {
    "sqlite": sqlite_insert(citizen_seed).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(citizen_seed).on_conflict_do_nothing(),
}
_FORGET = delete(citizen_seed).where(citizen_seed.c.citizen == bindparam("p_citizen"))


def of(connection: Connection, citizen: str) -> bytes:
    """The seed, made at first use. Of two that make it together one is the first, and the other reads that."""
    found = find(connection, citizen)
    if found is None:
        connection.execute(_MAKE[connection.dialect.name], {"citizen": citizen, "seed": os.urandom(BYTES)})
        found = find(connection, citizen)
        assert found is not None
    return found


def find(connection: Connection, citizen: str) -> bytes | None:
    seed: bytes | None = connection.execute(_FIND, {"p_citizen": citizen}).scalar()
    return seed


def citizens(connection: Connection) -> list[str]:
    """All who have one: to find again who was forgotten."""
    return list(connection.execute(select(citizen_seed.c.citizen)).scalars())


def forget(connection: Connection, citizen: str) -> None:
    connection.execute(_FORGET, {"p_citizen": citizen})
