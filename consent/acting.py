"""Who pressed: the citizen himself, or a guardian for him (docs/decisions/0033-guardians.md).

The leaf of an event says `acting`, and of a guardian `who`: a value that only his seed and this event make. Nobody can
tell by it who he is, nor that he did two things; the register proves it as long as it has his seed, and forgets him
with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from base.database import Connection
from consent.store import seeds
from keys.derive import Pseudonyms
from keys.digest import b64encode

SELF, GUARDIAN = "self", "guardian"


def columns(
    connection: Connection, pseudonyms: Pseudonyms, guardian: str, consent_id: str, kind: str
) -> dict[str, str]:
    """Of an event's row. `guardian`: his registry handle; "" where the citizen acts himself."""
    if not guardian:
        return {"acting": SELF, "who": "", "guardian": ""}
    seed = seeds.of(connection, guardian)
    return {"acting": GUARDIAN, "who": _who(pseudonyms, seed, consent_id, kind), "guardian": guardian}


def is_true(pseudonyms: Pseudonyms, row: Mapping[str, Any], seed: bytes | None) -> bool:
    """Whether the guardian of a row is the one that its leaf says. `seed`: his."""
    if row["acting"] == SELF:
        return not row["who"] and not row["guardian"]
    return seed is not None and bool(row["who"] == _who(pseudonyms, seed, row["consent"], row["type"]))


def _who(pseudonyms: Pseudonyms, seed: bytes, consent_id: str, kind: str) -> str:
    return b64encode(pseudonyms.salt(seed, f"who {consent_id} {kind}".encode()))
