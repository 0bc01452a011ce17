"""Requests that change something: one durable unit of work and its answer.

With an Idempotency-Key a repeated request of the same client gets the first one's answer, for 24 hours; the answer is
kept in the same commit as the effect. While the first is under way the second is told so (409), as the draft has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.problems import Problem
from consent.api.shapes import raw
from consent.callers import Caller
from consent.catalogue import canonical_hash
from consent.idempotent import UNDER_WAY, Kept, is_key, once
from consent.registry import Registry
from keys.seal import Sealer

Effect = Callable[[Connection], tuple[int, bytes]]


_in_hand: set[tuple[str, str]] = set()
"""Keys of requests that this process works on; those of others are found locked in the database."""


async def run(
    registry: Registry, sealer: Sealer, request: Request, caller: Caller, body: msgspec.Struct, effect: Effect
) -> Response:
    """The effect in one durable unit of work; under an Idempotency-Key once."""
    status, content = await keyed(registry, sealer, request, caller.client_id, msgspec.to_builtins(body), effect)
    return raw(content, status)


async def keyed(
    registry: Registry, sealer: Sealer, request: Request, client: str, asked: Any, effect: Effect
) -> tuple[int, bytes]:
    """The same, for whatever says what is asked (with method, path and query). Problem 400, 409 or 422 for the key."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return await registry.database.write(effect)
    if len(keys) != 1 or not is_key(keys[0]):
        place = {"in": "header", "location": "Idempotency-Key", "detail": "1 to 64 visible ASCII characters, once"}
        raise Problem(400, "The Idempotency-Key is not valid.", errors=[place])
    if (client, keys[0]) in _in_hand:
        raise _under_way()
    _in_hand.add((client, keys[0]))
    try:
        hashed = canonical_hash([request.method, request.url.path, request.url.query, asked])
        kept = Kept(client, keys[0], hashed)
        done = await registry.database.write(lambda c: once(c, sealer, kept, effect, registry.clock.now()))
    finally:
        _in_hand.discard((client, keys[0]))
    if done == UNDER_WAY:
        raise _under_way()
    if isinstance(done, str):
        raise Problem(422, "This Idempotency-Key was used for another request.")
    return done


def telling(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """A GET that leaves a trace, as its protocol has it. No HEAD: it would leave the same one, and tell nothing."""
    route = Route(path, endpoint, methods=["GET"])
    route.methods = {"GET"}
    return route


def _under_way() -> Problem:
    detail = "A request with this Idempotency-Key is under way; ask again for its answer."
    return Problem(409, detail, headers={"retry-after": "1"})


def time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
