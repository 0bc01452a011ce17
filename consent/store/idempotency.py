"""Answers kept for 24 hours, so that a repeated request gets the same one (IETF Idempotency-Key draft)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import idempotency

KEPT = timedelta(hours=24)
PURGED = 64
"""Answers past their time that one new one takes along: the table stays bounded without a job."""

_CLAIM = {
    name: make(idempotency).on_conflict_do_nothing().returning(idempotency.c.key)
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}
_KEY = (idempotency.c.agency == bindparam("p_agency"), idempotency.c.key == bindparam("p_key"))
_FORGET = delete(idempotency).where(*_KEY, idempotency.c.expires_at <= bindparam("p_now"))
_OLD = (
    select(idempotency.c.agency, idempotency.c.key)
    .where(idempotency.c.expires_at <= bindparam("p_now"))
    .order_by(idempotency.c.expires_at)
    .limit(PURGED)
    # Workers that purge at the same time each take what is free (PostgreSQL; SQLite has one writer).
    .with_for_update(skip_locked=True)
)
_PURGE = delete(idempotency).where(tuple_(idempotency.c.agency, idempotency.c.key).in_(_OLD))
_FIND = select(idempotency.c.request_hash, idempotency.c.status, idempotency.c.body).where(*_KEY)
_KEEP = update(idempotency).where(*_KEY)


def claim(connection: Connection, agency: str, key: str, request_hash: str, now: datetime) -> bool:
    """Take the key for one request. False when another request has it; its answer is then there to be found."""
    this = {"p_agency": agency, "p_key": key, "p_now": now}
    connection.execute(_FORGET, this)
    row = {"agency": agency, "key": key, "request_hash": request_hash, "status": 0, "body": b""}
    claimed = connection.execute(_CLAIM[connection.dialect.name], {**row, "expires_at": now + KEPT}).first()
    if claimed is not None:
        connection.execute(_PURGE, {"p_now": now})
    return claimed is not None


def find(connection: Connection, agency: str, key: str) -> tuple[str, int, bytes]:
    """Request hash, status and sealed body of the first request with this key."""
    row = connection.execute(_FIND, {"p_agency": agency, "p_key": key}).one()
    return row.request_hash, row.status, row.body


def keep(connection: Connection, agency: str, key: str, *, status: int, body: bytes) -> None:
    """In the effect's own transaction: effect and answer are durable together."""
    connection.execute(_KEEP.values(status=status, body=body), {"p_agency": agency, "p_key": key})
