"""What operators do to the register itself: the catalogue, reconciling, forgetting. Each act is a leaf of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from base.database import Connection
from consent.ledger import append
from consent.store import acts


def record(
    connection: Connection,
    event: str,
    object: str,
    content: Mapping[str, Any],
    now: datetime,
    *,
    tells: str | None = None,
) -> None:
    """In the act's own transaction. `tells`: what the journal says of it, where that is not event and object alone."""
    # As it will be read back from the database: the commitment must come out the same then.
    row = {"event": event, "object": object, "at": now, "content": msgspec.to_builtins(content)}
    _, columns = append.of_nobody(connection, row, tells=tells or f"act {event} {object}"[:120])
    acts.add(connection, {**row, **columns})
