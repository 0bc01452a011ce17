"""Clients at rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from base.database import Connection
from idp.clients import Client
from idp.store.tables import client

_ONE = select(client).where(client.c.client_id == bindparam("p_id"))


def find(connection: Connection, client_id: str) -> Client | None:
    """A client in any state; whether it may act is `Client.active`."""
    row = connection.execute(_ONE, {"p_id": client_id}).first()
    return _client(row) if row is not None else None


def every(connection: Connection) -> list[Client]:
    return [_client(row) for row in connection.execute(select(client).order_by(client.c.client_id))]


def add(connection: Connection, one: Client, now: datetime) -> None:
    row = {
        "client_id": one.client_id,
        "agency": one.agency,
        "profile": one.profile.name,
        "metadata": dict(one.metadata),
        "secret_digest": one.secret_digest,
        "state": "active",
        "changed_at": now,
    }
    connection.execute(insert(client), row)


def change(connection: Connection, client_id: str, values: dict[str, Any], now: datetime) -> bool:
    """`values`: state or secret_digest."""
    statement = update(client).where(client.c.client_id == client_id).values(**values, changed_at=now)
    return connection.execute(statement).rowcount == 1


def _client(row: Any) -> Client:
    return Client.of(row.client_id, row.agency, row.profile, row.metadata, row.secret_digest, row.state)
