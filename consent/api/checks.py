"""POST /consent/v1/checks: may this agency use this data of this citizen for this purpose, now?"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import read_json
from base.problems import Problem
from consent.api.shapes import CheckAnswer, CheckItem, CheckRequest, answer
from consent.callers import Callers
from consent.errors import AgencySuspended
from consent.freshness import Freshness
from consent.registry import Registry


def routes(registry: Registry, callers: Callers, freshness: Freshness) -> list[Route]:
    async def check(request: Request) -> Response:
        caller = await callers.require(request, "consent:check")
        asked = await read_json(request, CheckRequest)
        await freshness.reach(asked.at_least_as_fresh)
        try:
            checked = await registry.check(
                agency=caller.agency,
                sub=asked.sub,
                purpose=asked.purpose,
                data=asked.data,
                version=asked.purpose_version,
            )
        except AgencySuspended:
            raise Problem(403, "This agency takes no part at present.") from None
        decision, revision = checked.decision, checked.revision
        items = [CheckItem(one.category, one.decision, one.reason, one.consent) for one in decision.items]  # type: ignore[arg-type]  # the same two words
        at = checked.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        token = freshness.token(revision)
        return answer(CheckAnswer(decision.decision, decision.reason, items, revision, token, at))  # type: ignore[arg-type]  # as above

    return [Route("/consent/v1/checks", check, methods=["POST"])]
