"""Clients at rest, and what invites software to register itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update

from base.database import Connection
from base.database.prepared import Prepared
from idp.clients import Client
from idp.profiles import PROFILES
from idp.store.tables import client, initial_access_token, session_client, software_issuer

ACTIVE, DISABLED, DELETED = "active", "disabled", "deleted"
_ONE = Prepared(select(client).where(client.c.client_id == bindparam("p_id")))

_OF_SESSION = (
    select(client)
    .join(session_client, session_client.c.client_id == client.c.client_id)
    .where(session_client.c.session == bindparam("p_session"))
    .order_by(session_client.c.created_at, client.c.client_id)
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An initial access token: whose software may register itself, and how strictly."""

    agency: str
    profile: str


def find(connection: Connection, client_id: str) -> Client | None:
    """A client in any state; whether it may act is `Client.active`."""
    row = _ONE.first(connection, {"p_id": client_id})
    return _client(row) if row is not None else None


def every(connection: Connection) -> list[Client]:
    statement = select(client).where(client.c.state != DELETED).order_by(client.c.client_id)
    return [_client(row) for row in connection.execute(statement)]


def of_session(connection: Connection, session_id: str) -> list[Client]:
    """The active clients at which a session was used, oldest first."""
    return [one for one in map(_client, connection.execute(_OF_SESSION, {"p_session": session_id})) if one.active]


def add(connection: Connection, one: Client, now: datetime, *, fetched: Mapping[str, Any] | None) -> None:
    """`fetched`: the columns of a key set that was fetched, if the client has an address for one."""
    row = {
        "client_id": one.client_id,
        "agency": one.agency,
        "profile": one.profile.name,
        "metadata": one.registered,
        "secret_digest": one.secret_digest,
        "state": ACTIVE,
        "registered_by": one.registered_by,
        "registration_digest": one.registration_digest,
        "created_at": now,
        "changed_at": now,
        "keys_trying": False,
        **(fetched or {}),
    }
    connection.execute(insert(client), row)


def change(connection: Connection, client_id: str, values: Mapping[str, Any], now: datetime) -> bool:
    """`values`: by column. A client that was deleted does not change."""
    where = (client.c.client_id == client_id, client.c.state != DELETED)
    return connection.execute(update(client).where(*where).values(**values, changed_at=now)).rowcount == 1


def change_if(
    connection: Connection, client_id: str, registration_digest: str, values: Mapping[str, Any], now: datetime
) -> bool:
    """As `change`, for the holder of the registration access token: of two at once, one wins."""
    where = (
        client.c.client_id == client_id,
        client.c.state != DELETED,
        client.c.registration_digest == registration_digest,
    )
    return connection.execute(update(client).where(*where).values(**values, changed_at=now)).rowcount == 1


def try_keys(connection: Connection, client_id: str, *, before: datetime, now: datetime) -> bool:
    """Claim the right to fetch a client's keys; False when somebody did after `before`."""
    tried = client.c.keys_tried_at
    where = (client.c.client_id == client_id, client.c.state == ACTIVE, or_(tried.is_(None), tried <= before))
    return connection.execute(update(client).where(*where).values(keys_tried_at=now, keys_trying=True)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Try:
    """The last fetching of a client's keys. `goes_on`: or it was cut off."""

    at: datetime
    goes_on: bool


def last_try(connection: Connection, client_id: str) -> Try | None:
    statement = select(client.c.keys_tried_at, client.c.keys_trying).where(client.c.client_id == client_id)
    row = connection.execute(statement).first()
    return Try(row[0], row[1]) if row is not None and row[0] is not None else None


def keep_keys(connection: Connection, client_id: str, tried_at: datetime, fetched: Mapping[str, Any]) -> None:
    """What the try of `tried_at` fetched counts from now on, unless another came after it, or another address."""
    where = (client.c.client_id == client_id, client.c.keys_tried_at == tried_at)
    connection.execute(update(client).where(*where).values(**fetched, keys_trying=False))


def spare_keys(
    connection: Connection, client_id: str, tried_at: datetime, *, fetched_after: datetime, until: datetime
) -> None:
    """The try failed: the keys there are count a little longer, if they are not too old."""
    where = (client.c.client_id == client_id, client.c.keys_tried_at == tried_at)
    connection.execute(update(client).where(*where).values(keys_trying=False))
    recent = (client.c.keys_fetched_at > fetched_after, client.c.keys_until < until)
    connection.execute(update(client).where(*where, *recent).values(keys_until=until))


def invite(connection: Connection, digest: str, one: Invitation, *, uses: int, now: datetime, until: datetime) -> None:
    row = {"digest": digest, "agency": one.agency, "profile": one.profile, "uses_left": uses}
    connection.execute(insert(initial_access_token), {**row, "created_at": now, "expires_at": until})


def invitation(connection: Connection, digest: str, now: datetime) -> Invitation | None:
    """One that may still be used."""
    table = initial_access_token.c
    where = (table.digest == digest, table.uses_left > 0, table.expires_at > now)
    row = connection.execute(select(initial_access_token).where(*where)).first()
    return Invitation(row.agency, row.profile) if row is not None else None


def use_invitation(connection: Connection, digest: str, now: datetime) -> bool:
    """Once less. False when there was nothing left."""
    table = initial_access_token.c
    where = (table.digest == digest, table.uses_left > 0, table.expires_at > now)
    statement = update(initial_access_token).where(*where).values(uses_left=table.uses_left - 1)
    return connection.execute(statement).rowcount == 1


def add_software_issuer(connection: Connection, iss: str, jwks: Mapping[str, Any], now: datetime) -> None:
    """Add one, or change its keys."""
    changed = connection.execute(update(software_issuer).where(software_issuer.c.iss == iss).values(jwks=jwks))
    if changed.rowcount == 0:
        connection.execute(insert(software_issuer), {"iss": iss, "jwks": jwks, "created_at": now})


def software_issuer_keys(connection: Connection, iss: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = connection.execute(
        select(software_issuer.c.jwks).where(software_issuer.c.iss == iss)
    ).scalar()
    return found


def _client(row: Any) -> Client:
    metadata = row.metadata if row.fetched_jwks is None else {**row.metadata, "jwks": row.fetched_jwks}
    return Client(
        row.client_id,
        row.agency,
        PROFILES[row.profile],
        metadata,
        row.secret_digest,
        row.state == ACTIVE,
        row.registered_by,
        row.registration_digest,
        row.created_at,
        row.keys_until,
    )
