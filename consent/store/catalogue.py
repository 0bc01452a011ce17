"""Queries on the catalogue. Each change draws another revision, by which every worker notices."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from base.database import Connection
from consent.catalogue import (
    DAY_S,
    DRAFT,
    PUBLISHED,
    RETIRED,
    Agency,
    AgencyFile,
    Catalogue,
    CatalogueError,
    Category,
    Purpose,
    PurposeFile,
    canonical_hash,
    content_of,
)
from consent.store.tables import agency, catalogue, category, purpose

_REVISION = select(catalogue.c.revision)


def revision(connection: Connection) -> int:
    return connection.execute(_REVISION).scalar() or 0


def load(connection: Connection) -> Catalogue:
    # The revision first: what changes while we read makes this snapshot newer than it says, never older.
    seen = revision(connection)
    rows = connection.execute(select(purpose).order_by(purpose.c.id, purpose.c.version)).all()
    versions = {(row.id, row.version): _purpose(row) for row in rows}
    return Catalogue(
        seen,
        {
            row.id: Agency(row.id, row.oin, row.name, row.contact, row.url, row.state)
            for row in connection.execute(select(agency))
        },
        {
            row.id: Category(row.id, row.source, row.name, row.description, row.sensitivity)
            for row in connection.execute(select(category))
        },
        {one.id: one for one in versions.values() if one.state == PUBLISHED},
        versions,
    )


def put_agency(connection: Connection, file: AgencyFile, now: datetime) -> None:
    """Add or change an agency and its categories. CatalogueError when another agency has a category's id."""
    row = {"oin": file.oin, "name": file.name, "contact": file.contact, "url": file.url, "changed_at": now}
    if connection.execute(update(agency).where(agency.c.id == file.id).values(row)).rowcount == 0:
        connection.execute(insert(agency), {"id": file.id, "state": "active", **row})
    for one in file.categories:
        values = {"name": one.name, "description": one.description, "sensitivity": one.sensitivity}
        owner = connection.execute(select(category.c.source).where(category.c.id == one.id)).scalar()
        if owner is None:
            connection.execute(insert(category), {"id": one.id, "source": file.id, **values})
        elif owner != file.id:
            raise CatalogueError(f"{one.id}: another agency is the source of this category")
        else:
            connection.execute(update(category).where(category.c.id == one.id).values(values))
    _changed(connection)


def set_agency_state(connection: Connection, agency_id: str, state: str, now: datetime) -> bool:
    done = connection.execute(update(agency).where(agency.c.id == agency_id).values(state=state, changed_at=now))
    _changed(connection)
    return done.rowcount == 1


def add_purpose(connection: Connection, file: PurposeFile, now: datetime) -> Purpose:
    """A new draft version. The same content as the newest version adds nothing."""
    if connection.execute(select(agency.c.id).where(agency.c.id == file.agency)).first() is None:
        raise CatalogueError(f"there is no agency {file.agency}: add it first")
    known = set(connection.execute(select(category.c.id).where(category.c.id.in_(file.data))).scalars())
    if unknown := [one for one in file.data if one not in known]:
        raise CatalogueError(f"no agency is the source of {', '.join(unknown)}: add its agency first")
    newest = connection.execute(
        select(purpose).where(purpose.c.id == file.id).order_by(purpose.c.version.desc()).limit(1)
    ).first()
    content = content_of(file)
    pinned = canonical_hash(content)
    if newest is not None:
        if newest.agency != file.agency:
            raise CatalogueError(f"{file.id} is a purpose of another agency")
        if newest.hash == pinned and newest.state != RETIRED:
            return _purpose(newest)
    number = (newest.version if newest is not None else 0) + 1
    row = {"id": file.id, "version": number, "agency": file.agency, "state": DRAFT, "hash": pinned}
    connection.execute(insert(purpose), {**row, "content": content, "changed_at": now})
    _changed(connection)
    return _one(connection, file.id, number)


def publish(connection: Connection, purpose_id: str, now: datetime) -> Purpose:
    """Publish the newest draft; the version before it retires. CatalogueError when there is no draft."""
    draft = connection.execute(
        select(func.max(purpose.c.version)).where(purpose.c.id == purpose_id, purpose.c.state == DRAFT)
    ).scalar()
    if draft is None:
        raise CatalogueError(f"{purpose_id} has no draft to publish")
    retire(connection, purpose_id, now)
    key = (purpose.c.id == purpose_id, purpose.c.version == draft)
    connection.execute(update(purpose).where(*key).values(state=PUBLISHED, changed_at=now))
    return _one(connection, purpose_id, draft)


def retire(connection: Connection, purpose_id: str, now: datetime) -> bool:
    published = (purpose.c.id == purpose_id, purpose.c.state == PUBLISHED)
    done = connection.execute(update(purpose).where(*published).values(state=RETIRED, changed_at=now))
    _changed(connection)
    return done.rowcount == 1


def _one(connection: Connection, purpose_id: str, version: int) -> Purpose:
    key = (purpose.c.id == purpose_id, purpose.c.version == version)
    return _purpose(connection.execute(select(purpose).where(*key)).one())


def _changed(connection: Connection) -> None:
    # Drawn, not counted: a number that was seen and then rolled back is never another catalogue's.
    drawn = secrets.randbits(62)
    if connection.execute(update(catalogue).values(revision=drawn)).rowcount == 0:
        connection.execute(insert(catalogue), {"one": 1, "revision": drawn})


def _purpose(row: Any) -> Purpose:
    content = row.content
    return Purpose(
        row.id,
        row.version,
        row.agency,
        row.state,
        row.hash,
        content["title"],
        content["explanation"],
        content["refusal"],
        content["legalBasis"],
        content["statute"],
        tuple(content["data"]),
        content["maxDurationDays"] * DAY_S,
        content.get("acr", ""),
        content.get("maxAge"),
    )
