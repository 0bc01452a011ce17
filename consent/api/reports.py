"""POST /consent/v1/permits/reports: what became of a permit, said by its recipient, once."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.problems import Problem
from consent import reporting
from consent.api import effects
from consent.api.shapes import END, ProblemAnswer, read
from consent.callers import Callers
from consent.registry import Registry
from keys.ring import Ring

SCOPE = "consent:permit"
PATH = "/consent/v1/permits/reports"
_REFUSALS = {
    "unknown": (404, "Not Found", "There is no permit of this id."),
    "open": (409, "Conflict", "This permit can still be taken: report when it was, or has expired."),
    "reported": (409, "Conflict", "Another outcome was reported of this permit before."),
}
PermitId = Annotated[str, msgspec.Meta(pattern=f"^[A-Za-z0-9_-]{{22}}{END}", max_length=22)]


class ReportRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """`outcome`: used: the data was used for the permit's purpose; not_used: no data came, or nothing was done with it."""

    permit_id: PermitId
    outcome: Literal["used", "not_used"]


class ReportAnswer(msgspec.Struct, rename="camel"):
    """`reportedAt`: of the first report; the same report again has the same answer."""

    permit_id: str
    outcome: Literal["used", "not_used"]
    reported_at: str


def routes(registry: Registry, callers: Callers, ring: Ring) -> list[Route]:
    async def report(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        body = await read(request, ReportRequest)

        def effect(connection: Connection) -> tuple[int, bytes]:
            done = reporting.report(
                connection,
                body.permit_id,
                body.outcome,
                recipient=caller.agency,
                pseudonyms=ring.pseudonyms,
                now=registry.clock.now(),
            )
            if done == "open":
                # Not for good: nothing is kept of it under the key.
                raise Problem(409, _REFUSALS[done][2], members={"reason": done})
            if isinstance(done, str):
                status, title, detail = _REFUSALS[done]
                return status, msgspec.json.encode(ProblemAnswer("about:blank", title, status, detail, reason=done))
            return 200, msgspec.json.encode(ReportAnswer(done.permit_id, body.outcome, effects.time(done.at)))

        return await effects.run(registry, ring.sealer, request, caller, body, effect)

    return [Route(PATH, report, methods=["POST"])]
