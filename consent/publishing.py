"""Changing the catalogue: agencies and purposes from files, publishing, retiring, suspending.

Each change is one unit of work with its audit line and its leaf, so that the catalogue too can be proven. The files are
JSON (`consent.catalogue.AgencyFile`, `PurposeFile`); the command line, the demo and the tests all come through here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from base import audit
from base.database import Connection
from consent import acts
from consent.catalogue import (
    ACTIVE,
    PUBLISHED,
    SUBMITTED,
    SUSPENDED,
    AgencyFile,
    CatalogueError,
    Purpose,
    PurposeFile,
    canonical_hash,
    content_of,
    read_agency,
    read_purpose,
)
from consent.store import catalogue, purposes
from keys.derive import Pseudonyms


def add_agency(connection: Connection, file: AgencyFile, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """Add an agency with the kinds of data it is the source of, or change what is known of it."""
    catalogue.put_agency(connection, file, now)
    content = content_of(file)
    facts = {**content, "hash": canonical_hash(content)}
    _record(connection, "agency.added", file.id, actor=actor, pseudonyms=pseudonyms, now=now, content=facts)


def suspend_agency(connection: Connection, agency: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """From the commit on it may ask, use and release nothing."""
    _set_state(connection, agency, SUSPENDED, "agency.suspended", actor=actor, pseudonyms=pseudonyms, now=now)


def resume_agency(connection: Connection, agency: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    _set_state(connection, agency, ACTIVE, "agency.resumed", actor=actor, pseudonyms=pseudonyms, now=now)


def add_purpose(
    connection: Connection, file: PurposeFile, *, actor: str, pseudonyms: Pseudonyms, now: datetime
) -> Purpose:
    """A draft: nothing is asked or allowed for it until it is published. CatalogueError with what to mend."""
    purpose = purposes.add(connection, file, actor, now)
    facts = {"version": purpose.version, "hash": purpose.hash}
    _record(
        connection,
        "purpose.added",
        purpose.id,
        actor=actor,
        pseudonyms=pseudonyms,
        now=now,
        content={**facts, "of": content_of(file)},
    )
    return purpose


def submit(connection: Connection, purpose_id: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> Purpose:
    """The newest draft waits for another person, who publishes or rejects it."""
    purpose = purposes.submit(connection, purpose_id, actor, now)
    return _moved(connection, "purpose.submitted", purpose, actor=actor, pseudonyms=pseudonyms, now=now)


def publish(
    connection: Connection,
    purpose_id: str,
    *,
    actor: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    reviewed: bool = False,
) -> Purpose:
    """It becomes what is asked; consents to the version before it no longer count.

    `reviewed`: it was submitted, and the actor is neither who wrote nor who submitted it. Without, one person does all,
    in development and where a house is filled.
    """
    purpose = purposes.publish(connection, purpose_id, actor, now, reviewed=reviewed)
    return _moved(connection, "purpose.published", purpose, actor=actor, pseudonyms=pseudonyms, now=now)


def reject(connection: Connection, purpose_id: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> Purpose:
    """What was submitted will not be published; what is published stays."""
    purpose = purposes.retire(connection, purpose_id, now, SUBMITTED)
    if purpose is None:
        raise CatalogueError(f"{purpose_id} has no submitted version to reject")
    return _moved(connection, "purpose.rejected", purpose, actor=actor, pseudonyms=pseudonyms, now=now)


def retire(connection: Connection, purpose_id: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> Purpose:
    """Nothing is asked or allowed for it any more."""
    purpose = purposes.retire(connection, purpose_id, now, PUBLISHED)
    if purpose is None:
        raise CatalogueError(f"{purpose_id} is not published")
    return _moved(connection, "purpose.retired", purpose, actor=actor, pseudonyms=pseudonyms, now=now)


def _moved(
    connection: Connection, event: str, purpose: Purpose, *, actor: str, pseudonyms: Pseudonyms, now: datetime
) -> Purpose:
    facts = {"version": purpose.version, "hash": purpose.hash}
    _record(connection, event, purpose.id, actor=actor, pseudonyms=pseudonyms, now=now, content=facts)
    return purpose


def seed(
    connection: Connection,
    agencies: Iterable[bytes],
    purposes: Iterable[bytes],
    *,
    actor: str,
    pseudonyms: Pseudonyms,
    now: datetime,
) -> None:
    """Agency files and purpose files, published; again changes nothing but what differs."""
    for raw in agencies:
        add_agency(connection, read_agency(raw), actor=actor, pseudonyms=pseudonyms, now=now)
    for raw in purposes:
        purpose = add_purpose(connection, read_purpose(raw), actor=actor, pseudonyms=pseudonyms, now=now)
        if purpose.state == "draft":
            publish(connection, purpose.id, actor=actor, pseudonyms=pseudonyms, now=now)


def _set_state(
    connection: Connection, agency: str, state: str, event: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime
) -> None:
    if not catalogue.set_agency_state(connection, agency, state, now):
        raise CatalogueError(f"there is no agency {agency}")
    _record(connection, event, agency, actor=actor, pseudonyms=pseudonyms, now=now, content={"state": state})


def _record(
    connection: Connection,
    event: str,
    subject: str,
    *,
    actor: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    content: dict[str, Any],
) -> None:
    audit.record(connection, event, actor=actor, object=subject, now=now)
    acts.record(connection, event, subject, {**content, "by": actor}, pseudonyms=pseudonyms, now=now)
