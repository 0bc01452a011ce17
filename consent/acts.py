"""What operators do to the register itself: the catalogue, reconciling, forgetting. Each act is a leaf of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from base.database import Connection
from consent.ledger import append
from consent.store import acts
from keys.derive import Pseudonyms


def record(
    connection: Connection,
    event: str,
    object: str,
    content: Mapping[str, Any],
    *,
    pseudonyms: Pseudonyms,
    now: datetime,
    tells: str | None = None,
) -> None:
    """In the act's own transaction. `tells`: what the journal says of it, where that is not event and object alone."""
    # As it will be read back from the database: the commitment must come out the same then.
    row = {"event": event, "object": object, "at": now, "content": msgspec.to_builtins(content)}
    told = tells if tells is not None else f"act {event} {object}"[:120]
    _, columns = append.add(connection, pseudonyms, "act", row, tells=told)
    acts.add(connection, {**row, **columns})
