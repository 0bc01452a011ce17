"""Software that registers itself (RFC 7591) and looks after its registration (RFC 7592).

An operator invites it with an initial access token, for one agency and profile; after that it holds a registration
access token of its own. Both are kept as digests. Here are the units of work; what lies at the client's addresses was
fetched before (idp.clients.arriving).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from base import audit
from base.database import Connection
from base.ids import digest, same, secret
from idp.clients import SOFTWARE, Client
from idp.clients.metadata import InvalidMetadata
from idp.clients.registration import has_secret
from idp.errors import OAuthError
from idp.store import clients
from idp.store.clients import Invitation
from keys.errors import WeakKey
from keys.jwks import check_set

MOST_USES, MOST_LIFE = 1_000, timedelta(days=90)
MAX_ISS = 200


@dataclass(frozen=True, slots=True)
class Registered:
    """What is shown this once: a secret, if the client has one or has a new one, and its registration access token."""

    client: Client
    client_secret: str | None
    registration_access_token: str


def invalid_token() -> OAuthError:
    """Unknown, used up, expired and malformed look alike (RFC 6750 section 3.1)."""
    challenge = 'Bearer error="invalid_token"'
    return OAuthError("invalid_token", "The token is not valid here.", status=401, challenge=challenge)


def invite(connection: Connection, agency: str, profile: str, *, uses: int, life: timedelta, now: datetime) -> str:
    """An initial access token (RFC 7591 section 1.2). InvalidMetadata for bounds that are none."""
    if not 1 <= uses <= MOST_USES or not timedelta(0) < life <= MOST_LIFE:
        raise InvalidMetadata(f"an invitation is for 1 to {MOST_USES} uses, within 1 to {MOST_LIFE.days} days")
    token = secret()
    clients.invite(connection, digest(token), Invitation(agency, profile), uses=uses, now=now, until=now + life)
    audit.record(connection, "client.invited", actor="operator", object=agency, now=now, uses=uses)
    return token


def invited(connection: Connection, token: str, now: datetime) -> Invitation:
    """OAuthError invalid_token."""
    found = clients.invitation(connection, digest(token), now)
    if found is None:
        raise invalid_token()
    return found


def register(
    connection: Connection,
    token: str,
    client: Client,
    client_secret: str | None,
    *,
    fetched: Mapping[str, Any],
    now: datetime,
) -> Registered:
    """Store a prepared client; the invitation is worth one use less in the same commit. OAuthError invalid_token."""
    if not clients.use_invitation(connection, digest(token), now):
        raise invalid_token()
    access = secret()
    client = replace(client, registered_by=SOFTWARE, registration_digest=digest(access), created_at=now)
    clients.add(connection, client, now, fetched=fetched)
    audit.record(connection, "client.registered", actor=client.agency, object=client.client_id, now=now)
    return Registered(client, client_secret, access)


def holder(connection: Connection, client_id: str, token: str) -> Client:
    """The client that a registration access token is for. OAuthError invalid_token (RFC 7592 section 2)."""
    client = clients.find(connection, client_id) if len(client_id) <= 64 else None
    held = client.registration_digest if client is not None else None
    if client is None or not client.active or not same(digest(token), held or digest("")) or held is None:
        raise invalid_token()
    return client


def update(
    connection: Connection, token: str, client: Client, *, fetched: Mapping[str, Any], now: datetime
) -> Registered:
    """Replace the metadata (RFC 7592 section 2.2); the registration access token is replaced too.

    `client`: as it was found, with its new metadata. OAuthError invalid_token when another update came first.
    """
    access = secret()
    value = secret() if has_secret(client.metadata) and client.secret_digest is None else None
    kept = client.secret_digest if has_secret(client.metadata) else None
    values = {
        "metadata": client.registered,
        "secret_digest": digest(value) if value is not None else kept,
        "registration_digest": digest(access),
        # Keys of an address that is no longer the client's do not count from this commit on.
        "fetched_jwks": None,
        "keys_until": None,
        "keys_fetched_at": None,
        "keys_tried_at": None,
        "keys_trying": False,
        **fetched,
    }
    if not clients.change_if(connection, client.client_id, digest(token), values, now):
        raise invalid_token()
    audit.record(connection, "client.updated", actor=client.client_id, object=client.client_id, now=now)
    return Registered(client, value, access)


def delete(connection: Connection, client_id: str, token: str, now: datetime) -> None:
    """From the commit on the client is unknown, and with it every code and token of its (RFC 7592 section 2.3)."""
    holder(connection, client_id, token)
    values = {"state": clients.DELETED, "deleted_at": now, "secret_digest": None, "registration_digest": None}
    if not clients.change_if(connection, client_id, digest(token), values, now):
        raise invalid_token()
    audit.record(connection, "client.deleted", actor=client_id, object=client_id, now=now)


def new_access_token(connection: Connection, client_id: str, now: datetime) -> str:
    """For a client that lost its registration access token. InvalidMetadata when there is no such client."""
    access = secret()
    if not clients.change(connection, client_id, {"registration_digest": digest(access)}, now):
        raise InvalidMetadata("there is no such client")
    audit.record(connection, "client.registration_token_rotated", actor="operator", object=client_id, now=now)
    return access


def trust_issuer(connection: Connection, iss: str, jwks: Mapping[str, Any], now: datetime) -> None:
    """Believe software statements of `iss` by these keys, in place of those before. InvalidMetadata."""
    if not 1 <= len(iss) <= MAX_ISS:
        raise InvalidMetadata(f"iss must have 1 to {MAX_ISS} characters")
    try:
        usable = check_set(jwks)
    except WeakKey as error:
        raise InvalidMetadata(f"jwks is not accepted: {error}") from error
    if not usable:
        raise InvalidMetadata("jwks needs a key for signatures")
    clients.add_software_issuer(connection, iss, jwks, now)
    audit.record(connection, "software_issuer.added", actor="operator", object=iss, now=now)
