"""Adding and changing clients, as units of work with their audit line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from base import audit
from base.database import Connection
from base.fetch import Fetch
from base.ids import digest, secret
from base.settings import Settings
from idp.clients import Client, arriving
from idp.clients.metadata import InvalidMetadata
from idp.clients.registration import register
from idp.store import clients

__all__ = ["Client", "InvalidMetadata", "add", "disable", "every", "fetched", "find", "prepare", "rotate_secret"]

prepare = register
find = clients.find
every = clients.every


def fetched(settings: Settings, client: Client, now: datetime) -> dict[str, Any]:
    """What a client's addresses give, from a thread that may wait. InvalidMetadata."""
    if not {"jwks_uri", "sector_identifier_uri"} & set(client.metadata):
        return {}
    return asyncio.run(arriving.fetched_for(client.registered, client.profile, Fetch(settings), now))


def add(connection: Connection, client: Client, now: datetime, columns: Mapping[str, Any]) -> Client:
    """`columns`: as `fetched` answered. InvalidMetadata when the id is taken."""
    if clients.find(connection, client.client_id) is not None:
        raise InvalidMetadata("this client_id is taken")
    clients.add(connection, client, now, fetched=columns)
    audit.record(connection, "client.added", actor="operator", object=client.client_id, now=now)
    return replace(client, created_at=now)


def disable(connection: Connection, client_id: str, now: datetime) -> bool:
    """From the commit on it authenticates nowhere and its tokens are dead here."""
    done = clients.change(connection, client_id, {"state": "disabled"}, now)
    if done:
        audit.record(connection, "client.disabled", actor="operator", object=client_id, now=now)
    return done


def rotate_secret(connection: Connection, client_id: str, now: datetime) -> str:
    """A new secret; the old one stops at once. InvalidMetadata for a client that has none."""
    found = clients.find(connection, client_id)
    if found is None or found.secret_digest is None:
        raise InvalidMetadata("there is no such client with a secret")
    value = secret()
    clients.change(connection, client_id, {"secret_digest": digest(value)}, now)
    audit.record(connection, "client.secret_rotated", actor="operator", object=client_id, now=now)
    return value
