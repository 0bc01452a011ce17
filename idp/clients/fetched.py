"""A client's keys at an address of its own (`jwks_uri`, RFC 7591 section 2): fetched before a unit of work, never in it.

They are kept in the database and count for an hour. A token by a key that is not among them has them fetched again, at
most once a minute for each client whatever arrives: an attacker cannot make us fetch. While the address does not
answer, what is there counts on, for a day at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from base.clock import Clock
from base.database import Database
from base.fetch import JWK_SET, TOTAL_S, Fetch, Unreachable
from base.log import log
from idp.clients import Client
from idp.clients.metadata import MEMBERS, Metadata
from idp.clients.together import keys_suffice
from idp.errors import OAuthError
from idp.profiles import Profile
from idp.store import clients
from keys import jose
from keys.errors import InvalidToken, WeakKey
from keys.jwks import check_set, encryption_keys

COUNTS, AT_MOST = timedelta(hours=1), timedelta(days=1)
AGAIN = timedelta(seconds=60)
WAITS = 12
"""How often a worker looks whether another has what it waits for."""
MAX_SET = 64 * 1024
"""Bytes of a key set that we keep."""

T = TypeVar("T")


class MissingKey(OAuthError):
    """As the error it stands for; but the client's address may have the key that was missing."""

    def __init__(self, error: OAuthError, client_id: str) -> None:
        super().__init__(error.error, error.description, status=error.status, challenge=error.challenge)
        self.client_id = client_id


class Unfit(Exception):
    """A key set that is not there or breaks a rule; the message says which."""


def require_keys(client: Client, now: datetime, error: OAuthError) -> None:
    """Whether what is known of a client's keys still counts. MissingKey when its address should be asked first."""
    if "jwks_uri" in client.metadata and (client.keys_until is None or now >= client.keys_until):
        raise MissingKey(error, client.client_id)


def require_key(client: Client, unverified_jwt: str, now: datetime, error: OAuthError) -> None:
    """As `require_keys`, before a token is verified with them: the one that it names must be there."""
    if "jwks_uri" not in client.metadata:
        return
    require_keys(client, now, error)
    try:
        kid = jose.unverified_kid(unverified_jwt)
    except InvalidToken:
        return
    known = {key.get("kid") for key in client.metadata.get("jwks", {}).get("keys", ())}
    if kid is not None and kid not in known:
        raise MissingKey(error, client.client_id)


def require_certificate(client: Client, now: datetime, error: OAuthError, *, known: bool) -> None:
    """As `require_key`, for a certificate of a client that registered its own (RFC 8705 section 2.2)."""
    fresh = client.keys_until is not None and now < client.keys_until
    if "jwks_uri" in client.metadata and not (known and fresh):
        raise MissingKey(error, client.client_id)


async def get(fetch: Fetch, members: Metadata, profile: Profile, now: datetime) -> dict[str, Any]:
    """Fetch a client's keys; answers the columns to store (idp.store.clients). Unfit."""
    try:
        jwks = await fetch.get_json(members.jwks_uri, media_types=JWK_SET)
    except Unreachable as error:
        raise Unfit(f"jwks_uri gave no key set: {error}") from error
    try:
        signing, sealing = check_set(jwks), encryption_keys(jwks)
    except WeakKey as error:
        raise Unfit(f"the key set at jwks_uri is not accepted: {error}") from error
    if problem := keys_suffice(members, profile, signing, sealing):
        raise Unfit(problem)
    if any(key.get("kid") is None for key in jwks["keys"]):
        raise Unfit("each key at jwks_uri needs a kid: by it we know that a key is new")
    kept = {"keys": jwks["keys"]}
    if len(msgspec.json.encode(kept)) > MAX_SET:
        raise Unfit("the key set at jwks_uri is too large")
    return {"fetched_jwks": kept, "keys_until": now + COUNTS, "keys_fetched_at": now}


@dataclass(frozen=True, slots=True)
class Fetched:
    """`attempt`: what every endpoint runs its unit of work with, when the unit relies on clients' keys."""

    database: Database
    fetch: Fetch
    clock: Clock
    _under_way: dict[str, asyncio.Task[bool]] = field(default_factory=dict)

    async def attempt(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it; if a client's key is missing, ask its address and do it once more."""
        try:
            return await work()
        except MissingKey as missing:
            if not await self.renewed(missing.client_id):
                raise
            return await work()

    async def renewed(self, client_id: str) -> bool:
        """Whether there may be other keys now than a moment ago. One asks, in this process and in all; others wait."""
        task = self._under_way.get(client_id)
        if task is None:
            # A task of its own: a caller that goes away cuts nothing off for the others.
            task = self._under_way[client_id] = asyncio.create_task(self._ask(client_id))
            task.add_done_callback(lambda _: self._under_way.pop(client_id))
        return await asyncio.shield(task)

    async def _ask(self, client_id: str) -> bool:
        now = self.clock.now()
        if not await self.database.write(lambda c: clients.try_keys(c, client_id, before=now - AGAIN, now=now)):
            return await self._another_asks(client_id, now)
        await self._renew(client_id, now)
        return True

    async def _renew(self, client_id: str, tried_at: datetime) -> None:
        client = await self.database.read(lambda c: clients.find(c, client_id))
        if client is None or not client.active:
            return
        try:
            columns = await get(self.fetch, members_of(client.registered), client.profile, tried_at)
        except Unfit as unfit:
            log.warning("client.keys_not_fetched", client_id=client_id, reason=str(unfit))
            after, until = tried_at - AT_MOST, tried_at + AGAIN
            await self.database.write(
                lambda c: clients.spare_keys(c, client_id, tried_at, fetched_after=after, until=until)
            )
            return
        await self.database.write(lambda c: clients.keep_keys(c, client_id, tried_at, columns))

    async def _another_asks(self, client_id: str, now: datetime) -> bool:
        """Wait for another worker that asks at this moment; one that was cut off is not waited for."""
        for _ in range(WAITS):
            last = await self.database.read(lambda c: clients.last_try(c, client_id))
            if last is None or now - last.at > timedelta(seconds=TOTAL_S):
                return False
            if not last.goes_on:
                return True
            await asyncio.sleep(TOTAL_S / WAITS)
        return False


def members_of(metadata: Mapping[str, Any]) -> Metadata:
    """Stored metadata, typed again."""
    return msgspec.convert({name: value for name, value in metadata.items() if name in MEMBERS}, Metadata)
