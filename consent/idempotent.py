"""The same request twice has one effect and one answer (IETF Idempotency-Key draft)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from base.database import Connection
from consent.store import idempotency
from keys.seal import Sealer

KEY = r"^[\x21-\x7e]{1,64}$"
"""What a key may be: 1 to 64 visible ASCII characters."""

_KEY = re.compile(KEY)
_TABLE, _COLUMN = "idempotency", "body"


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose request this is, under which key, and the hash of what it asks."""

    agency: str
    key: str
    request_hash: str


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def once(
    connection: Connection,
    sealer: Sealer,
    kept: Kept,
    effect: Callable[[Connection], tuple[int, bytes]],
    now: datetime,
) -> tuple[int, bytes] | None:
    """Run `effect`, or answer what it answered before. None when the key was used for another request.

    The key is claimed before the effect: of two requests at the same time the second waits for the first one's
    commit, here, and finds its answer. The answer may hold a permit that still lives: it is sealed.
    """
    row = f"{kept.agency}/{kept.key}"
    if idempotency.claim(connection, kept.agency, kept.key, kept.request_hash, now):
        status, body = effect(connection)
        sealed = sealer.seal_system(body, table=_TABLE, column=_COLUMN, row=row)
        idempotency.keep(connection, kept.agency, kept.key, status=status, body=sealed)
        return status, body
    request_hash, status, sealed = idempotency.find(connection, kept.agency, kept.key)
    if request_hash != kept.request_hash:
        return None
    return status, sealer.open_system(sealed, table=_TABLE, column=_COLUMN, row=row)
