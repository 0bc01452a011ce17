"""POST /consent/v1/requests, GET and DELETE /consent/v1/requests/{request}: an agency asks a citizen whom it knows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import no_query
from base.people import Callbacks
from base.problems import API_VERSION, Problem
from consent.api import effects
from consent.api.shapes import END, Data, Slug, Sub, answer, read
from consent.callers import Callers
from consent.catalogue import DAY_S
from consent.errors import AgencySuspended
from consent.interface import AboveGuardRail, ConsentError, PersonalDataUse, UnknownPurpose
from consent.lodging import ANSWERED, CLOSED, EXPIRED, LINKS, Lodging, Receipt, TooManyOpen, UnknownCitizen, Wanted
from consent.registry import Registry
from keys.seal import Sealer

SCOPE = "consent:request"
PATH = "/consent/v1/requests"
_OVER = {
    ANSWERED: "The citizen has answered already; what he answered, a check tells.",
    EXPIRED: "The request has expired: there is nothing to take back.",
}
_REASONS = {UnknownPurpose: "unknown_purpose", AboveGuardRail: "above_purpose"}


Days = Annotated[float, msgspec.Meta(ge=1, le=3650, multiple_of=1)]
Seconds = Annotated[float, msgspec.Meta(ge=60, le=30 * DAY_S, multiple_of=1)]
"""Whole numbers: see consent.api.shapes.Version."""


class RequestedUse(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One purpose. `data`: without it, all of the purpose. `oneTime`: the consent ends with its first use."""

    purpose: Slug
    data: Data | None = None
    duration_days: Days | None = None
    one_time: bool = False


class LodgeRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What to ask of whom.

    `sub`: the citizen as you know him. `callback`: a redirect address of your client, where his browser comes back to.
    `renew`: ask also what he allows already. `expiresIn`: seconds, 7 days if you do not say.
    """

    sub: Sub
    uses: Annotated[list[RequestedUse], msgspec.Meta(min_length=1, max_length=10)]
    callback: Annotated[str, msgspec.Meta(pattern=f"^https?://[!-~]+{END}", max_length=2_000)]
    renew: bool = False
    expires_in: Seconds = 7 * DAY_S


class LodgedAnswer(msgspec.Struct, rename="camel"):
    """`link`: send the citizen there; it works for him alone, until he has answered. It is told this once."""

    id: str
    link: str
    expires_at: str


class RequestState(msgspec.Struct, rename="camel"):
    id: str
    state: Literal["lodged", "shown", "answered", "closed", "expired"]
    lodged_at: str
    expires_at: str


def routes(
    registry: Registry, lodging: Lodging, callers: Callers, callbacks: Callbacks, sealer: Sealer, issuer: str
) -> list[Route]:
    async def lodge(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        body = await read(request, LodgeRequest)
        if not await callbacks.is_callback(caller.client_id, body.callback):
            raise _forbidden("callback", "The callback is no redirect address of this client.")
        wanted = Wanted(
            caller.agency,
            caller.client_id,
            body.sub,
            tuple(_use(one) for one in body.uses),
            body.callback,
            body.renew,
            int(body.expires_in),
        )

        def effect(connection: Connection) -> tuple[int, bytes]:
            done = _lodged(lodging, connection, wanted)
            link = f"{issuer}{LINKS}/{done.link}"
            return 201, msgspec.json.encode(LodgedAnswer(done.id, link, effects.time(done.expires_at)))

        return await effects.run(registry, sealer, request, caller, body, effect)

    async def state(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        no_query(request)
        found = await lodging.state(request.path_params["request"], caller.agency)
        if found is None:
            raise Problem(404, "There is no request of this id.")
        one, now = found
        return answer(RequestState(one.id, now, effects.time(one.lodged_at), effects.time(one.expires_at)))  # type: ignore[arg-type]  # one of the five

    return [
        Route(PATH, lodge, methods=["POST"]),
        Route(f"{PATH}/{{request}}", state, methods=["GET"]),
        _taking_back(registry, lodging, callers, sealer),
    ]


def _taking_back(registry: Registry, lodging: Lodging, callers: Callers, sealer: Sealer) -> Route:
    async def take_back(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        no_query(request)
        name = request.path_params["request"]

        def effect(connection: Connection) -> tuple[int, bytes]:
            after = lodging.take_back(connection, name, caller.agency)
            if after is None:
                raise Problem(404, "There is no request of this id.")
            if after != CLOSED:
                raise Problem(409, _OVER[after], members={"reason": after})
            return 204, b""

        await effects.keyed(registry, sealer, request, caller.client_id, None, effect)
        return Response(status_code=204, headers={"api-version": API_VERSION})

    return Route(f"{PATH}/{{request}}", take_back, methods=["DELETE"])


def _use(one: RequestedUse) -> PersonalDataUse:
    data = tuple(dict.fromkeys(one.data)) if one.data is not None else None
    duration_s = int(one.duration_days) * DAY_S if one.duration_days is not None else None
    return PersonalDataUse(one.purpose, data, duration_s, one_time=one.one_time)


def _forbidden(reason: str, detail: str) -> Problem:
    return Problem(403, detail, members={"reason": reason})


def _lodged(lodging: Lodging, connection: Connection, wanted: Wanted) -> Receipt:
    try:
        return lodging.lodge(connection, wanted)
    except AgencySuspended:
        raise _forbidden("agency", "This agency takes no part at present.") from None
    except ConsentError as error:
        raise _forbidden(_REASONS.get(type(error), "not_asked"), f"{error}.".capitalize()) from None
    except UnknownCitizen:
        raise Problem(404, "No citizen of this sub ever logged in at this agency.") from None
    except TooManyOpen:
        raise Problem(409, "Too many requests wait for this citizen's answer.") from None
