"""Which citizen an agency means by a pseudonym. Only the registry can tell."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from base.database.prepared import Prepared
from consent.store.tables import citizen_seed, subject

_MEET = {
    name: Prepared(make(subject).on_conflict_do_nothing(), ("agency", "sub", "citizen"))
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}
_FIND = select(subject.c.citizen).where(subject.c.agency == bindparam("p_agency"), subject.c.sub == bindparam("p_sub"))
_KNOWN = (
    select(subject.c.citizen, citizen_seed.c.seed)
    .select_from(subject.outerjoin(citizen_seed, citizen_seed.c.citizen == subject.c.citizen))
    .where(subject.c.agency == bindparam("p_agency"), subject.c.sub == bindparam("p_sub"))
)
_READ = Prepared(_KNOWN)
_SHARE = Prepared(_KNOWN.with_for_update(read=True, of=subject))
_ALONE = Prepared(_KNOWN.with_for_update(of=subject))
_HOLD = _FIND.with_for_update()
_ALL = select(subject.c.agency).where(subject.c.citizen == bindparam("p_citizen")).with_for_update()
_REMOVE = delete(subject).where(subject.c.agency == bindparam("p_agency"), subject.c.sub == bindparam("p_sub"))
_FORGET = delete(subject).where(subject.c.citizen == bindparam("p_citizen"))


@dataclass(frozen=True, slots=True)
class Known:
    """A citizen behind a pseudonym, with the seed of his salts; "" and None for one that we never gave out."""

    citizen: str = ""
    seed: bytes | None = None


def meet(connection: Connection, agency: str, sub: str, citizen: str) -> None:
    """From now on `sub` can be translated. Meeting again changes nothing."""
    _MEET[connection.dialect.name].run(connection, {"agency": agency, "sub": sub, "citizen": citizen})


def find(connection: Connection, agency: str, sub: str) -> str | None:
    return connection.execute(_FIND, {"p_agency": agency, "p_sub": sub}).scalar()


def find_and_share(connection: Connection, agency: str, sub: str, *, alone: bool = False) -> Known:
    """As `find`; until the commit no answer of this citizen to this agency is recorded (PostgreSQL: FOR SHARE).

    `alone`: nor does anybody else issue for him (FOR UPDATE; a share cannot become that later).
    """
    statement = _READ if connection.dialect.name == "sqlite" else _ALONE if alone else _SHARE
    row = statement.first(connection, {"p_agency": agency, "p_sub": sub})
    return Known(row[0], row[1]) if row is not None else Known()


def remove(connection: Connection, agency: str, sub: str) -> None:
    connection.execute(_REMOVE, {"p_agency": agency, "p_sub": sub})


def hold(connection: Connection, agency: str, sub: str) -> None:
    """Until the commit nobody else answers or issues for this citizen and agency; SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(_HOLD, {"p_agency": agency, "p_sub": sub}).first()


def forget(connection: Connection, citizen: str) -> None:
    """His pseudonyms lead nowhere from now on; whoever issues for him at this moment is waited for first."""
    if connection.dialect.name != "sqlite":
        connection.execute(_ALL, {"p_citizen": citizen}).all()
    connection.execute(_FORGET, {"p_citizen": citizen})
