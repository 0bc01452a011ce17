"""GovStack revisions: a snapshot of an object as canonical JSON in a string, with its SHA-256."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from base import audit
from base.ids import identifier
from base.problems import Problem
from consent.govstack.asked import Ask, nothing, time, unsuited
from consent.store import govstack
from consent.store.govstack import Stored

MOST_OBJECTS = 500
"""Of one kind, of one agency; deleted ones too, since their revisions stay."""
MOST_REVISIONS = 200
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def revision(
    schema: str, object_id: str, data: Any, *, revision_id: str, timestamp: str, by: str = "", before: str = ""
) -> dict[str, Any]:
    """A Revision object. `timestamp`: not within the snapshot when the snapshot is made anew at each reading."""
    return of_snapshot(schema, object_id, snapshot(schema, object_id, data, by), revision_id, timestamp, by, before)


def snapshot(schema: str, object_id: str, data: Any, by: str) -> str:
    members = {"objectData": data, "schemaName": schema, "objectId": object_id, "signedWithoutObjectId": False}
    return msgspec.json.encode({**members, "authorizedByOther": by}, order="deterministic").decode()


def of_snapshot(
    schema: str, object_id: str, text: str, revision_id: str, timestamp: str, by: str, before: str
) -> dict[str, Any]:
    return {
        "id": revision_id,
        "schemaName": schema,
        "objectId": object_id,
        "signedWithoutObjectId": False,
        "serializedSnapshot": text,
        "serializedHash": hashed(text),
        "timestamp": timestamp,
        "authorizedByOther": by,
        "predecessorHash": before,
    }


def hashed(text: str) -> str:
    """SHA-256 in hexadecimal; the file says SHA-1, which proves nothing any more."""
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of object that only GovStack has: all that is stored of it is its revisions."""

    schema: str

    def create(self, ask: Ask, object_id: str, data: dict[str, Any]) -> Stored:
        """Under the caller's id, or one of ours for an empty one. An id is given once, for ever."""
        object_id = object_id or identifier().replace("_", "-")
        if not _ID.fullmatch(object_id):
            raise unsuited("An id is 1 to 64 letters, digits and dashes, or empty for one of ours.")
        if govstack.count(ask.connection, ask.agency, self.schema) >= MOST_OBJECTS:
            raise unsuited("There are too many of these.")
        return self._add(ask, object_id, 1, data, "", ended=False)

    def beside(self, ask: Ask, object_id: str, data: dict[str, Any]) -> None:
        """Facts that stand beside another object, once."""
        text = snapshot(self.schema, object_id, data, ask.by)
        govstack.add(ask.connection, ask.agency, self.schema, Stored(object_id, 1, text, ask.now, ask.by, "", False))

    def find(self, ask: Ask, object_id: str) -> Stored:
        """As it stands. Problem 400 for none, a deleted one, another's."""
        found = govstack.newest(ask.connection, ask.agency, self.schema, object_id)
        if found is None or found.ended:
            raise nothing()
        return found

    def at(self, ask: Ask, object_id: str, revision_id: str) -> Stored:
        """As it stood in one revision."""
        for one in govstack.revisions(ask.connection, ask.agency, self.schema, object_id, 0, MOST_REVISIONS):
            if revision_id == revision_name(one) and not one.ended:
                return one
        raise nothing()

    def change(self, ask: Ask, object_id: str, data: dict[str, Any], *, ended: bool = False) -> Stored:
        before = self.find(ask, object_id)
        if before.number >= MOST_REVISIONS and not ended:
            raise unsuited("There are too many revisions of this.")
        return self._add(ask, object_id, before.number + 1, data, hashed(before.snapshot), ended=ended)

    def listed(self, ask: Ask) -> list[Stored]:
        return govstack.listed(ask.connection, ask.agency, self.schema, *ask.page())

    def _add(self, ask: Ask, object_id: str, number: int, data: dict[str, Any], before: str, *, ended: bool) -> Stored:
        text = snapshot(self.schema, object_id, {**data, "id": object_id}, ask.by)
        stored = Stored(object_id, number, text, ask.now, ask.by, before, ended)
        if not govstack.add(ask.connection, ask.agency, self.schema, stored):
            raise Problem(400, "This id was used before, or the object changed meanwhile.")
        audit.record(
            ask.connection,
            f"govstack.{self.schema.lower()}",
            actor=ask.by,
            object=f"{ask.agency} {revision_name(stored)}",
            now=ask.now,
        )
        return stored

    def revision(self, one: Stored) -> dict[str, Any]:
        return of_snapshot(
            self.schema, one.object, one.snapshot, revision_name(one), time(one.at), one.author, one.predecessor
        )


def revision_name(one: Stored) -> str:
    return f"{one.object}.{one.number}"


def data_of(one: Stored) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(one.snapshot)["objectData"]
    return data
