"""Requests that change something: one durable unit of work and its answer.

With an Idempotency-Key a repeated request gets the first one's answer, for 24 hours; the answer is kept in the same
commit as the effect.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.database import Connection
from base.problems import Problem
from consent.api.shapes import raw
from consent.callers import Caller
from consent.catalogue import canonical_hash
from consent.idempotent import Kept, is_key, once
from consent.registry import Registry
from keys.seal import Sealer

Effect = Callable[[Connection], tuple[int, bytes]]


async def run(
    registry: Registry, sealer: Sealer, request: Request, caller: Caller, body: msgspec.Struct, effect: Effect
) -> Response:
    """The effect in one durable unit of work; under an Idempotency-Key once."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        status, content = await registry.database.write(effect)
        return raw(content, status)
    if len(keys) != 1 or not is_key(keys[0]):
        place = {"in": "header", "location": "Idempotency-Key", "detail": "1 to 64 visible ASCII characters, once"}
        raise Problem(400, "The Idempotency-Key is not valid.", errors=[place])
    kept = Kept(caller.agency, keys[0], canonical_hash([request.url.path, msgspec.to_builtins(body)]))
    done = await registry.database.write(lambda c: once(c, sealer, kept, effect, registry.clock.now()))
    if done is None:
        raise Problem(422, "This Idempotency-Key was used for another request.")
    return raw(done[1], done[0])


def time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
