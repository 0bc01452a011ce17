"""The same request twice has one effect and one answer (draft-ietf-httpapi-idempotency-key-header)."""

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
ANOTHER, UNDER_WAY = "another", "under_way"

_KEY = re.compile(KEY)
_TABLE, _COLUMN = "idempotency", "body"


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose request this is (the client's), under which key, and the hash of what it asks."""

    client: str
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
) -> tuple[int, bytes] | str:
    """Run `effect`, or answer what it answered before; a string is the reason why neither.

    `another`: the key was used for another request. `under_way`: another process has this request in hand. The key is
    claimed before the effect, and the answer kept in its commit. The answer may hold a permit that still lives: it is
    sealed.
    """
    row = f"{kept.client}/{kept.key}"
    claimed = idempotency.claim(connection, kept.client, kept.key, kept.request_hash, now)
    if claimed is None:
        return UNDER_WAY
    if claimed:
        status, body = effect(connection)
        sealed = sealer.seal_system(body, table=_TABLE, column=_COLUMN, row=row)
        idempotency.keep(connection, kept.client, kept.key, status=status, body=sealed)
        return status, body
    request_hash, status, sealed = idempotency.find(connection, kept.client, kept.key)
    if request_hash != kept.request_hash:
        return ANOTHER
    return status, sealer.open_system(sealed, table=_TABLE, column=_COLUMN, row=row)
