"""Answers kept for 24 hours, so that a repeated request gets the same one (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import BigInteger, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import idempotency

KEPT = timedelta(hours=24)
PURGED = 64
"""Answers past their time that one new one takes along: the table stays bounded without a job."""

_KEY = (idempotency.c.client == bindparam("p_client"), idempotency.c.key == bindparam("p_key"))
_COLUMNS = [one.name for one in idempotency.c]
_CLAIM = sqlite_insert(idempotency).on_conflict_do_nothing().returning(idempotency.c.key)
_LOCK = select(func.pg_try_advisory_xact_lock(bindparam("p_lock", type_=BigInteger)).label("got")).cte("lock")
_LOCKED_CLAIM = (
    postgresql_insert(idempotency)
    .from_select(
        _COLUMNS, select(*(bindparam(f"p_{one.name}", type_=one.type) for one in idempotency.c)).where(_LOCK.c.got)
    )
    .on_conflict_do_nothing()
    .returning(idempotency.c.key)
    .cte("claimed")
)
# Whoever has this key in hand in another transaction is not waited for; lock and claim are one statement.
_TRY = select(select(_LOCK.c.got).scalar_subquery(), select(_LOCKED_CLAIM.c.key).scalar_subquery())
_FORGET = delete(idempotency).where(*_KEY, idempotency.c.expires_at <= bindparam("p_now"))
_OLD = (
    select(idempotency.c.client, idempotency.c.key)
    .where(idempotency.c.expires_at <= bindparam("p_now"))
    .order_by(idempotency.c.expires_at)
    .limit(PURGED)
    # Workers that purge at the same time each take what is free (PostgreSQL; SQLite has one writer).
    .with_for_update(skip_locked=True)
)
_PURGE = delete(idempotency).where(tuple_(idempotency.c.client, idempotency.c.key).in_(_OLD))
_FIND = select(idempotency.c.request_hash, idempotency.c.status, idempotency.c.body).where(*_KEY)
_KEEP = update(idempotency).where(*_KEY)


def claim(connection: Connection, client: str, key: str, request_hash: str, now: datetime) -> bool | None:
    """Take the key for one request. False when a request has it whose answer is there to be found.

    None when one is under way on another connection (PostgreSQL; on SQLite one connection writes).
    """
    connection.execute(_FORGET, {"p_client": client, "p_key": key, "p_now": now})
    row = {
        "client": client,
        "key": key,
        "request_hash": request_hash,
        "status": 0,
        "body": b"",
        "expires_at": now + KEPT,
    }
    if connection.dialect.name == "sqlite":
        claimed = connection.execute(_CLAIM, row).first() is not None
    else:
        values = {f"p_{name}": value for name, value in row.items()}
        got, taken = connection.execute(_TRY, {**values, "p_lock": _number(client, key)}).one()
        if not got:
            return None
        claimed = taken is not None
    if claimed:
        connection.execute(_PURGE, {"p_now": now})
    return claimed


def _number(client: str, key: str) -> int:
    """The lock of one key: 64 bits, signed."""
    return int.from_bytes(sha256(f"idempotency/{client}/{key}".encode()).digest()[:8], "big", signed=True)


def find(connection: Connection, client: str, key: str) -> tuple[str, int, bytes]:
    """Request hash, status and sealed body of the first request with this key."""
    row = connection.execute(_FIND, {"p_client": client, "p_key": key}).one()
    return row.request_hash, row.status, row.body


def keep(connection: Connection, client: str, key: str, *, status: int, body: bytes) -> None:
    """In the effect's own transaction: effect and answer are durable together."""
    connection.execute(_KEEP.values(status=status, body=body), {"p_client": client, "p_key": key})
