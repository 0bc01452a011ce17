"""POST /consent/v1/permits and /consent/v1/permits/redemptions, each once for an Idempotency-Key (consent.api.effects)."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.problems import Problem
from consent.api import effects
from consent.api.reasons import WHAT_TO_DO
from consent.api.shapes import (
    PermitAnswer,
    PermitRequest,
    ProblemAnswer,
    RedemptionAnswer,
    RedemptionRequest,
    items,
    read,
)
from consent.callers import Callers
from consent.checks import Decision
from consent.freshness import Freshness
from consent.interface import PermitRefused
from consent.permits import Asked
from consent.registry import Registry
from keys.seal import Sealer

REFUSALS = {
    "redeemed": (409, "Conflict", "This permit was redeemed before."),
    "expired": (403, "Forbidden", "This permit has expired."),
    "source": (403, "Forbidden", "This permit is for another source."),
    "recipient": (403, "Forbidden", "The recipient of this permit takes no part at present."),
    "unknown": (403, "Forbidden", "This is no permit of this registry."),
    "altered": (403, "Forbidden", "What the registry kept of this permit was altered; it is refused."),
    "unreconciled": (403, "Forbidden", "The registry allows nothing until it is reconciled."),
}


def routes(registry: Registry, callers: Callers, sealer: Sealer, freshness: Freshness) -> list[Route]:
    async def permit(request: Request) -> Response:
        caller = await callers.require(request, "consent:permit")
        body = await read(request, PermitRequest)
        await freshness.reach(body.at_least_as_fresh)
        data = tuple(dict.fromkeys(body.data))
        asked = Asked(caller.agency, body.purpose, data, body.source, body.purpose_version)

        def effect(connection: Connection) -> tuple[int, bytes]:
            done = registry.permit_unit(connection, asked, body.sub)
            outcome = done.outcome
            if done.permit is None or outcome.permit_id is None or outcome.expires_at is None:
                return 403, _denied(outcome.decision)
            return 201, msgspec.json.encode(
                PermitAnswer(
                    done.permit,
                    outcome.permit_id,
                    effects.time(outcome.expires_at),
                    outcome.revision,
                    freshness.token(outcome.revision),
                )
            )

        return await effects.run(registry, sealer, request, caller, body, effect)

    async def redemption(request: Request) -> Response:
        caller = await callers.require(request, "consent:redeem")
        body = await read(request, RedemptionRequest)

        def effect(connection: Connection) -> tuple[int, bytes]:
            try:
                done = registry.redemption(body.permit, source=caller.agency)(connection)
            except PermitRefused as refused:
                done = refused.reason
            if done == "unreconciled":
                # Not for good: nothing is kept of it under the key.
                raise Problem(403, REFUSALS[done][2], members={"reason": done})
            if isinstance(done, str):
                status, title, detail = REFUSALS[done]
                return status, _problem(status, title, detail, done)
            return 200, msgspec.json.encode(
                RedemptionAnswer(
                    done.permit_id,
                    done.sub,
                    done.recipient,
                    done.purpose,
                    list(done.data),
                    effects.time(done.redeemed_at),
                )
            )

        return await effects.run(registry, sealer, request, caller, body, effect)

    return [
        Route("/consent/v1/permits", permit, methods=["POST"]),
        Route("/consent/v1/permits/redemptions", redemption, methods=["POST"]),
    ]


def _denied(decision: Decision) -> bytes:
    """The first denial decides; `items` say which data it is about, and what of the rest."""
    said = f"The registry denies this use. {WHAT_TO_DO[decision.reason]} The citizen sees the attempt."
    told = ProblemAnswer("about:blank", "Forbidden", 403, said, reason=decision.reason, items=items(decision))
    return msgspec.json.encode(told)


def _problem(status: int, title: str, detail: str, reason: str) -> bytes:
    """A refusal that is kept with its effect, and so is made here rather than raised."""
    return msgspec.json.encode(ProblemAnswer("about:blank", title, status, detail, reason=reason))
