"""The same request twice has one effect and one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from base.database import Connection
from consent.store import idempotency
from keys.seal import Sealer

MAX_KEY = 64
_TABLE, _COLUMN = "idempotency", "body"


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose request this is, under which key, and the hash of what it asks."""

    agency: str
    key: str
    request_hash: str


def once(
    connection: Connection,
    sealer: Sealer,
    kept: Kept,
    effect: Callable[[Connection], tuple[int, bytes]],
    now: datetime,
) -> tuple[int, bytes] | None:
    """Run `effect`, or answer what it answered before. None when the key was used for another request.

    The answer may hold a permit that still lives: it is sealed.
    """
    row = f"{kept.agency}/{kept.key}"
    found = idempotency.find(connection, kept.agency, kept.key, now)
    if found is not None:
        request_hash, status, sealed = found
        if request_hash != kept.request_hash:
            return None
        return status, sealer.open_system(sealed, table=_TABLE, column=_COLUMN, row=row)
    status, body = effect(connection)
    sealed = sealer.seal_system(body, table=_TABLE, column=_COLUMN, row=row)
    idempotency.keep(
        connection, kept.agency, kept.key, request_hash=kept.request_hash, status=status, body=sealed, now=now
    )
    return status, body
