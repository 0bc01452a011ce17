"""POST /consent/v1/checks: may this agency use this data of this citizen for this purpose, now?

And /checks/bulk: the same of up to 5,000. They are decided in portions of what one statement reads, each as of its own
moment, so that a long list does not hold up the checks of others.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.problems import Problem
from consent.api.shapes import BulkAnswer, BulkRequest, CheckAnswer, CheckRequest, answer, items, read
from consent.callers import Callers
from consent.errors import AgencySuspended
from consent.freshness import Freshness
from consent.registry import Registry

BULK = "/consent/v1/checks/bulk"
BULK_BODY = 1024 * 1024
"""Bytes of a bulk request, read only of who may ask: 5,000 checks of one kind of data each, and some more."""
PORTION = 32
"""Checks asked together; one statement reads as many."""


def routes(registry: Registry, callers: Callers, freshness: Freshness) -> list[Route]:
    async def check(request: Request) -> Response:
        caller = await callers.require(request, "consent:check")
        asked = await read(request, CheckRequest)
        await freshness.reach(asked.at_least_as_fresh)
        return answer(await _one(registry, freshness, caller.agency, asked))

    async def bulk(request: Request) -> Response:
        caller = await callers.require(request, "consent:check")
        asked = (await read(request, BulkRequest, limit=BULK_BODY)).checks
        await freshness.reach(*{one.at_least_as_fresh for one in asked})
        answers: list[CheckAnswer] = []
        for start in range(0, len(asked), PORTION):
            portion = (_one(registry, freshness, caller.agency, one) for one in asked[start : start + PORTION])
            answers += await asyncio.gather(*portion)
        return answer(BulkAnswer(answers))

    return [
        Route("/consent/v1/checks", check, methods=["POST"]),
        Route(BULK, bulk, methods=["POST"]),
    ]


async def _one(registry: Registry, freshness: Freshness, agency: str, asked: CheckRequest) -> CheckAnswer:
    try:
        checked = await registry.check(
            agency=agency,
            sub=asked.sub,
            purpose=asked.purpose,
            data=asked.data,
            version=asked.purpose_version,
        )
    except AgencySuspended:
        raise Problem(403, "This agency takes no part at present.") from None
    decision, revision = checked.decision, checked.revision
    at = checked.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    token = freshness.token(revision)
    return CheckAnswer(decision.decision, decision.reason, items(decision), revision, token, at)  # type: ignore[arg-type]  # as above
