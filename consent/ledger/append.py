"""Adding to the ledger: each event writes its leaf in its own commit; the sequencer gives it its place in the tree.

Salts are made from a seed (a citizen has one of his own; what is nobody's shares one), a nonce of the event's, and a
secret that is in no database. Erasing the seed forgets the citizen; the database alone opens nothing, and nobody who
has only the database can make a leaf that verifies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base import trace
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


def add(
    connection: Connection,
    pseudonyms: Pseudonyms,
    kind: str,
    row: Mapping[str, Any],
    *,
    citizen: str = "",
    sub: str = "",
    seed: bytes | None = None,
    tells: str | None = None,
) -> tuple[Leaf, dict[str, Any]]:
    """The leaf of one event, and the columns that its row is to hold of it.

    `row`: the event's row. `citizen`: whom it is about; "" for an operator's act, and for a pseudonym that we never
    gave out. `sub`: the citizen as the recipient knows him. `seed`: if it was read already. `tells`: what must be
    known of it even when the database is lost.
    """
    nonce = os.urandom(leaf.NONCE_BYTES)
    found = seed if seed is not None else seeds.of(connection, citizen)
    traced = _trace() if kind in leaf.SECTOR else {}
    entry = leaf.commitment(pseudonyms.salt(found, nonce), leaf.content(kind, {**row, **traced}, sub))
    added = Leaf(b64encode(leaf_hash(entry)), leaves.add(connection, entry, row["at"], tells))
    return added, {"nonce": nonce, "leaf": added.hash, "leaf_seq": added.seq, **traced}


def _trace() -> dict[str, bytes | None]:
    """For the processing log (consent.processing): one record an act and person, in whoever's trace it is part of."""
    within = trace.current()
    return {"trace_id": within.id, "span_id": trace.span(), "parent_span_id": within.parent}
