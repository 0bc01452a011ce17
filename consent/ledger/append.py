"""Adding to the ledger: each event writes its leaf in its own commit; the sequencer gives it its place in the tree.

A citizen's salts are made from a seed of his own, a nonce of the event's, and a secret that is in no database. Erasing
the seed forgets him; the database alone opens nothing, and nobody who only has the database can make a leaf that
verifies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base.database import Connection
from consent.ledger import leaf
from consent.ledger.merkle import leaf_hash
from consent.store import leaves, seeds
from keys.derive import Pseudonyms
from keys.digest import b64encode


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that waits for its place in the tree. `hash`: 43 base64url characters. `seq`: its place in the queue."""

    hash: str
    seq: int

    def columns(self) -> dict[str, Any]:
        return {"leaf": self.hash, "leaf_seq": self.seq}


def of_citizen(
    connection: Connection,
    pseudonyms: Pseudonyms,
    kind: str,
    row: Mapping[str, Any],
    *,
    sub: str,
    seed: bytes | None = None,
    tells: str | None = None,
) -> tuple[Leaf, dict[str, Any]]:
    """The leaf of an event about a citizen, and the columns that its row is to hold of it.

    `row`: the event's row, with `citizen` ("" for a pseudonym that we never gave out). `sub`: as the recipient knows
    him. `seed`: if it was read already. `tells`: what must be known of it even when the database is lost.
    """
    nonce = os.urandom(leaf.NONCE_BYTES)
    found = seed if seed is not None else seeds.of(connection, row["citizen"])
    entry = leaf.commitment(pseudonyms.salt(found, nonce), leaf.content(kind, row, sub))
    added = _add(connection, entry, row["at"], tells)
    return added, {"nonce": nonce, **added.columns()}


def of_nobody(
    connection: Connection, row: Mapping[str, Any], *, tells: str | None = None
) -> tuple[Leaf, dict[str, Any]]:
    """The leaf of an operator's act: its salt is kept with it, for nothing in it is anybody's."""
    salt = os.urandom(leaf.SALT_BYTES)
    added = _add(connection, leaf.commitment(salt, leaf.content("act", row)), row["at"], tells)
    return added, {"salt": salt, **added.columns()}


def _add(connection: Connection, entry: bytes, at: datetime, tells: str | None) -> Leaf:
    return Leaf(b64encode(leaf_hash(entry)), leaves.add(connection, entry, at, tells))
