"""The versions of a purpose, from draft to its end. A version's content never changes: another content is another version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Executable, insert, select, update

from base.database import Connection
from consent.catalogue import (
    DRAFT,
    PUBLISHED,
    RETIRED,
    SUBMITTED,
    CatalogueError,
    Purpose,
    PurposeFile,
    canonical_hash,
    content_of,
)
from consent.store.catalogue import changed, purpose_of
from consent.store.tables import agency, category, purpose


def add(connection: Connection, file: PurposeFile, by: str, now: datetime) -> Purpose:
    """A new draft version. The same content as the newest version adds nothing."""
    if connection.execute(select(agency.c.id).where(agency.c.id == file.agency)).first() is None:
        raise CatalogueError(f"there is no agency {file.agency}: add it first")
    known = set(connection.execute(select(category.c.id).where(category.c.id.in_(file.data))).scalars())
    if unknown := [one for one in file.data if one not in known]:
        raise CatalogueError(f"no agency is the source of {', '.join(unknown)}: add its agency first")
    newest = _first(
        connection, select(purpose).where(purpose.c.id == file.id).order_by(purpose.c.version.desc()).limit(1)
    )
    content = content_of(file)
    pinned = canonical_hash(content)
    if newest is not None:
        if newest["agency"] != file.agency:
            raise CatalogueError(f"{file.id} is a purpose of another agency")
        if newest["hash"] == pinned and newest["state"] != RETIRED:
            return purpose_of(newest)
    number = (newest["version"] if newest is not None else 0) + 1
    row = {"id": file.id, "version": number, "agency": file.agency, "state": DRAFT, "hash": pinned}
    who = {"author": by, "submitter": "", "publisher": ""}
    connection.execute(insert(purpose), {**row, **who, "content": content, "changed_at": now})
    changed(connection)
    return _one(connection, file.id, number)


def submit(connection: Connection, purpose_id: str, by: str, now: datetime) -> Purpose:
    """The newest draft waits for review. CatalogueError when there is none, or when another version waits.

    One at a time: what a reviewer has read cannot be followed by something else before it is published.
    """
    if _newest(connection, purpose_id, SUBMITTED) is not None:
        raise CatalogueError(f"a version of {purpose_id} waits for review: publish or reject it first")
    draft = _newest(connection, purpose_id, DRAFT)
    if draft is None:
        raise CatalogueError(f"{purpose_id} has no draft to submit")
    return _move(connection, draft, DRAFT, SUBMITTED, now, submitter=by)


def publish(connection: Connection, purpose_id: str, by: str, now: datetime, *, reviewed: bool) -> Purpose:
    """What was submitted is published, and the version before it retires. CatalogueError.

    Not `reviewed`: one person alone, in development; the newest draft will do.
    """
    found = _newest(connection, purpose_id, SUBMITTED)
    if reviewed and found is not None and by in (found.author, found.submitter):
        raise CatalogueError(f"{by} wrote or submitted this version: another person must publish it")
    if not reviewed:
        drafts = (found, _newest(connection, purpose_id, DRAFT))
        found = max((one for one in drafts if one is not None), key=lambda one: one.version, default=None)
    if found is None:
        raise CatalogueError(f"{purpose_id} has no {'submitted version' if reviewed else 'draft'} to publish")
    beside = (purpose.c.state.in_((PUBLISHED, SUBMITTED)), purpose.c.version != found.version)
    _end(connection, purpose_id, beside, now)
    return _move(connection, found, found.state, PUBLISHED, now, publisher=by)


def retire(connection: Connection, purpose_id: str, now: datetime, state: str = PUBLISHED) -> Purpose | None:
    """End the version in this state: what is published, or what waits for review. None when there is none."""
    ended = _end(connection, purpose_id, (purpose.c.state == state,), now)
    changed(connection)
    return ended


def _newest(connection: Connection, purpose_id: str, state: str) -> Purpose | None:
    """The newest version in this state, unless a later one was published or ended."""
    key, settled = purpose.c.id == purpose_id, purpose.alias()
    later = select(settled.c.version).where(
        settled.c.id == purpose_id, settled.c.state.in_((PUBLISHED, RETIRED)), settled.c.version > purpose.c.version
    )
    row = _first(
        connection,
        select(purpose)
        .where(key, purpose.c.state == state, ~later.exists())
        .order_by(purpose.c.version.desc())
        .limit(1),
    )
    return purpose_of(row) if row is not None else None


def _move(connection: Connection, one: Purpose, before: str, after: str, now: datetime, **who: str) -> Purpose:
    """One conditional update: of two who do it at once, the second is told that it changed."""
    key = (purpose.c.id == one.id, purpose.c.version == one.version, purpose.c.state == before)
    moved = update(purpose).where(*key).values(state=after, changed_at=now, **who).returning(*purpose.c)
    row = _first(connection, moved)
    if row is None:
        raise CatalogueError(f"{one.id} changed meanwhile: look again")
    changed(connection)
    return purpose_of(row)


def _end(connection: Connection, purpose_id: str, where: tuple[Any, ...], now: datetime) -> Purpose | None:
    ended = update(purpose).where(purpose.c.id == purpose_id, *where).values(state=RETIRED, changed_at=now)
    row = _first(connection, ended.returning(*purpose.c))
    return purpose_of(row) if row is not None else None


def _one(connection: Connection, purpose_id: str, version: int) -> Purpose:
    key = (purpose.c.id == purpose_id, purpose.c.version == version)
    return purpose_of(dict(connection.execute(select(purpose).where(*key)).mappings().one()))


def _first(connection: Connection, statement: Executable) -> dict[str, Any] | None:
    found = connection.execute(statement).mappings().first()
    return dict(found) if found is not None else None
