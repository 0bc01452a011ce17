"""One call as the operations see it: who asks, for what, with the catalogue and the moment; and where they refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from base.database import Connection
from base.problems import Problem
from consent.catalogue import Catalogue
from consent.govstack import wire
from keys.ring import Ring

INDIVIDUAL = "x-consentbb-individualid"
"""The header for what the file calls "Individual ID supplied as HTTP header", under the name that iGrant gave it."""
MOST = 100
DEEPEST = 100_000
_NUMBER = re.compile(r"[0-9]{1,6}")
T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Ask:
    """`agency`, `by`: the calling agency and its client. `is_open`: the ledger's fence; closed allows nothing."""

    connection: Connection
    catalogue: Catalogue
    ring: Ring
    issuer: str
    now: datetime
    agency: str
    by: str
    is_open: bool
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    header: str

    def member(self, name: str, kind: type[T]) -> T:
        return wire.member(self.body, name, kind)

    def parameter(self, name: str) -> str:
        """A query parameter that the file requires."""
        if not self.query.get(name):
            raise bad_parameter(name, "This parameter is required.")
        return self.query[name]

    def page(self) -> tuple[int, int]:
        """`offset` and `limit`; a limit above what is answered at once is that."""
        offset, limit = self.query.get("offset", "0"), self.query.get("limit", str(MOST))
        if not _NUMBER.fullmatch(offset) or int(offset) > DEEPEST:
            raise bad_parameter("offset", f"This is a whole number from 0 to {DEEPEST}.")
        if not _NUMBER.fullmatch(limit):
            raise bad_parameter("limit", f"This is a whole number from 0; above {MOST} it is {MOST}.")
        return int(offset), min(int(limit), MOST)


def bad_parameter(name: str, detail: str) -> Problem:
    return Problem(400, errors=[{"in": "query", "location": name, "detail": detail}])


def nothing() -> Problem:
    """There is none, or it is another agency's: look alike, and in GovStack's words 400."""
    return Problem(400, "There is nothing of yours by this id.")


def unsuited(detail: str) -> Problem:
    return Problem(400, detail)


def time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
