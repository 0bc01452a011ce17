"""Delivering logout tokens to agencies (OpenID Connect Back-Channel Logout 1.0 sections 2.5 and 2.8)."""

from __future__ import annotations

from typing import Any

from base.clock import Clock
from base.database import Database
from base.fetch import Fetch
from base.log import log
from idp import logouts
from idp.tokens.mint import Minter

DONE = frozenset({200, 204})
"""204 is what some frameworks make of an empty 200 (section 2.8). A redirect is no answer and is not followed."""


class NotTold(Exception):
    """The agency answered something else than that it is done; it is told again later."""


class LogoutDelivery:
    """A handler of the outbox. Minted here and now, so that a message that waited for hours is valid when it leaves."""

    def __init__(self, database: Database, minter: Minter, fetch: Fetch, clock: Clock) -> None:
        self._database = database
        self._minter = minter
        self._fetch = fetch
        self._clock = clock

    async def __call__(self, payload: dict[str, Any]) -> None:
        """NotTold or Unreachable when it must be tried again. A client that is gone, or asks no more, is done."""
        found = await self._database.read(lambda c: logouts.addressed(c, payload))
        if found is None:
            return
        client, uri = found
        token = self._minter.logout_token(client, sub=payload["sub"], sid=payload["sid"], now=self._clock.now())
        answer = await self._fetch.post_form(uri, {"logout_token": token})
        if answer.status not in DONE:
            log.warning("logout.not_told", client_id=client.client_id, detail=str(answer.status))
            raise NotTold
