"""Revisions of what only GovStack has, and the lists that only GovStack asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import consent, govstack_revision, purpose, subject

_table = govstack_revision
_ADD = {
    "sqlite": sqlite_insert(_table).on_conflict_do_nothing().returning(_table.c.number),
    "postgresql": postgresql_insert(_table).on_conflict_do_nothing().returning(_table.c.number),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """One revision. `ended`: with it the object was deleted."""

    object: str
    number: int
    snapshot: str
    at: datetime
    author: str
    predecessor: str
    ended: bool


def add(connection: Connection, agency: str, kind: str, one: Stored) -> bool:
    """False when there is a revision of this number: somebody was first."""
    row = {name: getattr(one, name) for name in Stored.__slots__}
    done = connection.execute(_ADD[connection.dialect.name], {"agency": agency, "kind": kind, **row})
    return done.first() is not None


def newest(connection: Connection, agency: str, kind: str, object_id: str) -> Stored | None:
    row = connection.execute(
        select(_table).where(*_of(agency, kind, object_id)).order_by(_table.c.number.desc()).limit(1)
    ).first()
    return _stored(row) if row is not None else None


def revisions(connection: Connection, agency: str, kind: str, object_id: str, offset: int, limit: int) -> list[Stored]:
    """Oldest first."""
    rows = connection.execute(
        select(_table).where(*_of(agency, kind, object_id)).order_by(_table.c.number).offset(offset).limit(limit)
    )
    return [_stored(row) for row in rows]


def listed(connection: Connection, agency: str, kind: str, offset: int, limit: int) -> list[Stored]:
    """Each object as it stands, by id."""
    later = _table.alias()
    is_newest = (
        ~select(later.c.number)
        .where(
            later.c.agency == _table.c.agency,
            later.c.kind == _table.c.kind,
            later.c.object == _table.c.object,
            later.c.number > _table.c.number,
        )
        .exists()
    )
    rows = connection.execute(
        select(_table)
        .where(_table.c.agency == agency, _table.c.kind == kind, is_newest, _table.c.ended.is_(False))
        .order_by(_table.c.object)
        .offset(offset)
        .limit(limit)
    )
    return [_stored(row) for row in rows]


def count(connection: Connection, agency: str, kind: str) -> int:
    """Objects that there are or were."""
    first = (_table.c.agency == agency, _table.c.kind == kind, _table.c.number == 1)
    return int(connection.execute(select(func.count()).select_from(_table).where(*first)).scalar_one())


def version_moments(connection: Connection, agency: str) -> dict[tuple[str, int], datetime]:
    """When each version of each purpose of an agency last changed its state."""
    rows = connection.execute(
        select(purpose.c.id, purpose.c.version, purpose.c.changed_at).where(purpose.c.agency == agency)
    )
    return {(row.id, row.version): row.changed_at for row in rows}


def individuals(connection: Connection, agency: str, offset: int, limit: int) -> list[str]:
    """The citizens that an agency knows, by its own names for them."""
    rows = select(subject.c.sub).where(subject.c.agency == agency).order_by(subject.c.sub).offset(offset).limit(limit)
    return list(connection.execute(rows).scalars())


def answered(
    connection: Connection, agency: str, offset: int, limit: int, *, sub: str | None = None
) -> list[tuple[str, str, str, int]]:
    """(sub, citizen, purpose, version) of what has an answer that counts, each once; of all citizens or of one."""
    where = [subject.c.agency == agency, consent.c.agency == agency, consent.c.current]
    if sub is not None:
        where.append(subject.c.sub == sub)
    columns = (subject.c.sub, consent.c.citizen, consent.c.purpose)
    rows = connection.execute(
        select(*columns, func.max(consent.c.purpose_version))
        .select_from(subject.join(consent, consent.c.citizen == subject.c.citizen))
        .where(*where)
        .group_by(*columns)
        .order_by(subject.c.sub, consent.c.purpose)
        .offset(offset)
        .limit(limit)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def versions_answered(connection: Connection, citizen: str, agency: str, purpose_id: str) -> list[int]:
    """Every version of a purpose that a citizen ever answered, newest first."""
    where = (consent.c.citizen == citizen, consent.c.agency == agency, consent.c.purpose == purpose_id)
    rows = select(consent.c.purpose_version).where(*where).distinct().order_by(consent.c.purpose_version.desc())
    return list(connection.execute(rows).scalars())


def items(connection: Connection, citizen: str, agency: str, purpose_id: str, version: int) -> list[dict[str, Any]]:
    """The answers to one version of a purpose, oldest first, ended ones too."""
    columns = (consent.c.id, consent.c.category, consent.c.state, consent.c.current, consent.c.notice_hash)
    rows = connection.execute(
        select(*columns, consent.c.at, consent.c.ended_at, consent.c.expires_at)
        .where(
            consent.c.citizen == citizen,
            consent.c.agency == agency,
            consent.c.purpose == purpose_id,
            consent.c.purpose_version == version,
        )
        .order_by(consent.c.seq)
    )
    return [dict(row) for row in rows.mappings()]


def _of(agency: str, kind: str, object_id: str) -> tuple[Any, ...]:
    return (_table.c.agency == agency, _table.c.kind == kind, _table.c.object == object_id)


def _stored(row: Any) -> Stored:
    return Stored(row.object, row.number, row.snapshot, row.at, row.author, row.predecessor, row.ended)
