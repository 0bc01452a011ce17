"""Grants that clients manage, at rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from base.database import Connection
from idp.store.tables import family, managed_grant


@dataclass(frozen=True, slots=True)
class ManagedGrant:
    """What one citizen granted one client, under an id that the client keeps. `details`: as idp.extensions.rar reads them."""

    id: str
    client_id: str
    citizen: str
    scope: str
    details: list[dict[str, Any]]
    claims: dict[str, Any]
    created_at: datetime
    changed_at: datetime


_NAMES = ("id", "client_id", "citizen", "scope", "details", "claims", "created_at", "changed_at")
_COLUMNS = [managed_grant.c[name] for name in _NAMES]


def find(connection: Connection, grant_id: str, client_id: str) -> ManagedGrant | None:
    """One that has not ended, by id and owner together: another client's is as if it were not there."""
    table = managed_grant.c
    where = (table.id == grant_id, table.client_id == client_id, table.ended_at.is_(None))
    row = connection.execute(select(*_COLUMNS).where(*where)).first()
    return ManagedGrant(*row) if row is not None else None


def of_citizen(connection: Connection, citizen: str) -> list[ManagedGrant]:
    table = managed_grant.c
    where = (table.citizen == citizen, table.ended_at.is_(None))
    return [ManagedGrant(*row) for row in connection.execute(select(*_COLUMNS).where(*where))]


def add(connection: Connection, one: ManagedGrant) -> None:
    connection.execute(insert(managed_grant), {name: getattr(one, name) for name in _NAMES})


def change(connection: Connection, one: ManagedGrant) -> bool:
    """Its new content; False when it has ended meanwhile."""
    table = managed_grant.c
    values = {name: getattr(one, name) for name in ("scope", "details", "claims", "changed_at")}
    statement = update(managed_grant).where(table.id == one.id, table.ended_at.is_(None)).values(**values)
    return connection.execute(statement).rowcount == 1


def end(connection: Connection, grant_id: str, now: datetime) -> bool:
    """Once; its tokens end with it."""
    table = managed_grant.c
    done = connection.execute(
        update(managed_grant).where(table.id == grant_id, table.ended_at.is_(None)).values(ended_at=now)
    )
    end_families(connection, grant_id, now)
    return done.rowcount == 1


def end_families(connection: Connection, grant_id: str, now: datetime) -> None:
    """All tokens that rest on it, whatever login they came from."""
    where = (family.c.managed_grant == grant_id, family.c.ended_at.is_(None))
    connection.execute(update(family).where(*where).values(ended_at=now))
