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
    SUSPENDED,
    AgencyFile,
    CatalogueError,
    Purpose,
    PurposeFile,
    content_of,
    read_agency,
    read_purpose,
)
from consent.store import catalogue
from keys.derive import Pseudonyms


def add_agency(connection: Connection, file: AgencyFile, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """Add an agency with the kinds of data it is the source of, or change what is known of it."""
    catalogue.put_agency(connection, file, now)
    _record(connection, "agency.added", file.id, actor=actor, pseudonyms=pseudonyms, now=now, content=content_of(file))


def suspend_agency(connection: Connection, agency: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """From the commit on it may ask, use and release nothing."""
    _set_state(connection, agency, SUSPENDED, "agency.suspended", actor=actor, pseudonyms=pseudonyms, now=now)


def resume_agency(connection: Connection, agency: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    _set_state(connection, agency, ACTIVE, "agency.resumed", actor=actor, pseudonyms=pseudonyms, now=now)


def add_purpose(
    connection: Connection, file: PurposeFile, *, actor: str, pseudonyms: Pseudonyms, now: datetime
) -> Purpose:
    """A draft: nothing is asked or allowed for it until it is published. CatalogueError with what to mend."""
    purpose = catalogue.add_purpose(connection, file, now)
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


def publish(connection: Connection, purpose_id: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> Purpose:
    """The newest draft becomes what is asked; consents to the version before it no longer count."""
    purpose = catalogue.publish(connection, purpose_id, now)
    facts = {"version": purpose.version, "hash": purpose.hash}
    _record(connection, "purpose.published", purpose_id, actor=actor, pseudonyms=pseudonyms, now=now, content=facts)
    return purpose


def retire(connection: Connection, purpose_id: str, *, actor: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """Nothing is asked or allowed for it any more."""
    if not catalogue.retire(connection, purpose_id, now):
        raise CatalogueError(f"{purpose_id} is not published")
    _record(connection, "purpose.retired", purpose_id, actor=actor, pseudonyms=pseudonyms, now=now, content={})


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
    acts.record(connection, event, subject, content, pseudonyms=pseudonyms, now=now)
