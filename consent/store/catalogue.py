"""Queries on the catalogue. Each change draws another revision, by which every worker notices."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from base.database import Connection
from base.database.prepared import Prepared
from consent.catalogue import (
    DAY_S,
    PUBLISHED,
    Agency,
    AgencyFile,
    Catalogue,
    CatalogueError,
    Category,
    Purpose,
)
from consent.interface import Frequency
from consent.store.tables import agency, catalogue, category, purpose

_REVISION = Prepared(select(catalogue.c.revision))


def revision(connection: Connection) -> int:
    found = _REVISION.first(connection)
    return found.revision if found is not None else 0


def load(connection: Connection) -> Catalogue:
    """As the rows have it: to show. What decides is consent.believed.load."""
    # The revision first: what changes while we read makes this snapshot newer than it says, never older.
    seen = revision(connection)
    rows = [[dict(row) for row in connection.execute(select(one)).mappings()] for one in (agency, category, purpose)]
    return of_rows(seen, *rows)


def of_rows(
    seen: int,
    agencies: Iterable[Mapping[str, Any]],
    categories: Iterable[Mapping[str, Any]],
    purposes: Iterable[Mapping[str, Any]],
) -> Catalogue:
    """A snapshot of these. `seen`: its revision."""
    ordered = sorted(purposes, key=lambda row: (row["id"], row["version"]))
    versions = {(row["id"], row["version"]): purpose_of(row) for row in ordered}
    return Catalogue(
        seen,
        {
            row["id"]: Agency(*(row[name] for name in ("id", "oin", "name", "contact", "url", "state")))
            for row in agencies
        },
        {
            row["id"]: Category(*(row[name] for name in ("id", "source", "name", "description", "sensitivity")))
            for row in categories
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
    changed(connection)


def set_agency_state(connection: Connection, agency_id: str, state: str, now: datetime) -> bool:
    done = connection.execute(update(agency).where(agency.c.id == agency_id).values(state=state, changed_at=now))
    changed(connection)
    return done.rowcount == 1


def changed(connection: Connection) -> None:
    # Drawn, not counted: a number that was seen and then rolled back is never another catalogue's.
    drawn = secrets.randbits(62)
    if connection.execute(update(catalogue).values(revision=drawn)).rowcount == 0:
        connection.execute(insert(catalogue), {"one": 1, "revision": drawn})


def purpose_of(row: Mapping[str, Any]) -> Purpose:
    content = row["content"]
    return Purpose(
        row["id"],
        row["version"],
        row["agency"],
        row["state"],
        row["hash"],
        content["title"],
        content["explanation"],
        content["refusal"],
        content["legalBasis"],
        content["statute"],
        tuple(content["data"]),
        content["maxDurationDays"] * DAY_S,
        content.get("acr", ""),
        content.get("maxAge"),
        content.get("statuteUrl", ""),
        content.get("retentionDays"),
        tuple(one["name"] for one in content.get("recipients", ())),
        Frequency(often["uses"], often["periodDays"]) if (often := content.get("frequency")) else None,
        row["author"],
        row["submitter"],
        row["publisher"],
    )
