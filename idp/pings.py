"""Telling a client that its citizen has answered (CIBA section 10.2): through the outbox, in the answer's own commit.

The client learns that there is something to fetch, and nothing of what. A server that fails is tried again until the
request has expired; one that refuses is not: the client can poll all the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from base import outbox
from base.clock import Clock
from base.database import Connection, Database
from base.fetch import Fetch, Unreachable
from base.log import log
from idp.store import clients, decoupled
from idp.store.decoupled import Decoupled
from keys.errors import Unsealable
from keys.ring import Ring

KIND = "ciba.ping"
_TABLE, _COLUMN = "decoupled", "ping"


class _Told(msgspec.Struct):
    auth_req_id: str
    token: str


def seal(ring: Ring, key: str, auth_req_id: str, client_notification_token: str) -> bytes:
    """Both are secrets that only this message needs whole. `key`: the request's digest."""
    raw = msgspec.json.encode(_Told(auth_req_id, client_notification_token))
    return ring.sealer.seal_system(raw, table=_TABLE, column=_COLUMN, row=key)


def enqueue(connection: Connection, one: Decoupled, now: datetime) -> None:
    if one.ping is not None:
        outbox.put(connection, KIND, {"request": one.digest}, key=f"ping {one.digest}", now=now)


class PingDelivery:
    """The outbox's handler. Raising has it tried again."""

    def __init__(self, database: Database, ring: Ring, fetch: Fetch, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._fetch = fetch
        self._clock = clock

    async def __call__(self, payload: dict[str, Any]) -> None:
        found = await self._database.read(lambda c: self._addressed(c, payload["request"]))
        if found is None:
            return
        address, told = found
        headers = {"authorization": f"Bearer {told.token}"}
        answer = await self._fetch.post_json(address, {"auth_req_id": told.auth_req_id}, headers=headers)
        if answer.status >= 500:
            raise Unreachable("it answered that it failed")
        if answer.status not in (200, 204):
            log.warning("ping.refused", state=str(answer.status))

    def _addressed(self, connection: Connection, key: str) -> tuple[str, _Told] | None:
        """Where, and with what; None when nobody waits for it any more."""
        one = decoupled.find(connection, key)
        client = clients.find(connection, one.client_id) if one is not None else None
        if (
            one is None
            or one.ping is None
            or client is None
            or not client.active
            or self._clock.now() >= one.expires_at
        ):
            return None
        address = client.metadata.get("backchannel_client_notification_endpoint")
        try:
            raw = self._ring.sealer.open_system(one.ping, table=_TABLE, column=_COLUMN, row=key)
        except Unsealable:
            return None
        return (str(address), msgspec.json.decode(raw, type=_Told)) if address else None
