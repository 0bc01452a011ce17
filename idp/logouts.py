"""Telling agencies that a session has ended.

By the server (OpenID Connect Back-Channel Logout 1.0): a line in the outbox for each client, in the commit that ends
the session; delivered in order per client, retried, and never waited for. The token is minted when it is sent, anew at
each try: it is valid for two minutes, and an agency that remembers its `jti` refuses no second try.
By the browser (Front-Channel Logout 1.0): frames on the page that says goodbye.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from base import outbox
from base.database import Connection
from idp.clients import Client
from idp.store import clients
from idp.tokens import subject
from keys.ring import Ring

KIND = "client.logout"


def enqueue(connection: Connection, ring: Ring, session_id: str, citizen_id: str, now: datetime) -> None:
    """One message for each client of a session that wants to be told. The names are made now: he may be forgotten soon."""
    for client in clients.of_session(connection, session_id):
        if backchannel_uri(client):
            payload = {
                "client_id": client.client_id,
                "sub": subject.sub(ring, citizen_id, client),
                "sid": subject.sid(ring, session_id, client),
            }
            outbox.put(connection, KIND, payload, key=f"logout {client.client_id}", now=now)


def addressed(connection: Connection, payload: dict[str, Any]) -> tuple[Client, str] | None:
    """The client that a message is for and its address, or None when it is not told any more."""
    client = clients.find(connection, payload["client_id"])
    uri = backchannel_uri(client) if client is not None and client.active else ""
    return (client, uri) if client is not None and uri else None


def backchannel_uri(client: Client) -> str:
    return str(client.metadata.get("backchannel_logout_uri") or "")


def frontchannel_uri(client: Client) -> str:
    return str(client.metadata.get("frontchannel_logout_uri") or "")


def is_told(client: Client) -> bool:
    """Whether it hears of the end of a session at all."""
    return bool(backchannel_uri(client) or frontchannel_uri(client))


def clients_of(connection: Connection, session_id: str) -> list[Client]:
    """Where a session was used."""
    return clients.of_session(connection, session_id)


def names(some: Iterable[Client], language: str) -> list[str]:
    """Of the agencies' services, each once."""
    return list(dict.fromkeys(name(client, language) for client in some))


def name(client: Client, language: str) -> str:
    """As an operator knows it; of software that registered itself, where it is: that it cannot make up."""
    return client.shown_name(language) or urlsplit(next(iter(client.redirect_uris), "")).netloc or client.client_id


def frames(ring: Ring, issuer: str, session_id: str, used: Iterable[Client]) -> list[str]:
    """The addresses to load in the browser that leaves a session, each with `iss` and `sid` (section 2)."""
    addresses = []
    for client in used:
        uri = frontchannel_uri(client)
        # A page of ours in a frame of ours would be no stranger to it: the sandbox would not hold.
        if uri and origin(uri) != issuer:
            query = urlencode({"iss": issuer, "sid": subject.sid(ring, session_id, client)})
            addresses.append(f"{uri}{'&' if urlsplit(uri).query else '?'}{query}")
    return addresses


def origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
