"""Answers kept for 24 hours, so that a repeated request gets the same one (IETF Idempotency-Key draft)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from base.database import Connection
from consent.store.tables import idempotency

KEPT = timedelta(hours=24)


def find(connection: Connection, agency: str, key: str, now: datetime) -> tuple[str, int, bytes] | None:
    """Request hash, status and sealed body of the first request with this key."""
    where = (idempotency.c.agency == agency, idempotency.c.key == key, idempotency.c.expires_at > now)
    row = connection.execute(select(idempotency).where(*where)).first()
    return (row.request_hash, row.status, row.body) if row is not None else None


def keep(
    connection: Connection, agency: str, key: str, *, request_hash: str, status: int, body: bytes, now: datetime
) -> None:
    """In the effect's own transaction: effect and answer are durable together."""
    connection.execute(delete(idempotency).where(idempotency.c.expires_at <= now))
    row = {"agency": agency, "key": key, "request_hash": request_hash, "status": status, "body": body}
    connection.execute(insert(idempotency), {**row, "expires_at": now + KEPT})
