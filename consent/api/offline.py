"""POST /consent/v1/artefacts, and the public status lists: consent that is verified without asking."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import takes
from base.problems import Problem
from base.web.cached import unchanged
from consent.api import effects
from consent.api.records import SCOPE
from consent.api.shapes import END, read
from consent.callers import Callers
from consent.offline.artefact import NoArtefact, issue
from consent.offline.lists import PATH, StatusLists
from consent.registry import Registry
from keys.ring import Ring

MEDIA_TYPE = "application/statuslist+jwt"
_ANY_SITE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,5})\Z")
_REFUSALS = {
    "unknown": (404, "You have no record of this name."),
    "ended": (409, "This consent does not hold."),
    "one_time": (409, "A consent for one time is used by a permit alone."),
}


class ArtefactRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`record`: the consent, as a check names it."""

    record: Annotated[str, msgspec.Meta(pattern=f"^[A-Za-z0-9_-]{{22}}{END}", max_length=22)]


class ArtefactAnswer(msgspec.Struct, rename="camel"):
    """`artefact`: a JWT of type consent+jwt, for this agency. `expiresAt`: when the consent itself ends."""

    artefact: str
    expires_at: str


def routes(registry: Registry, callers: Callers, ring: Ring, issuer: str) -> list[Route]:
    async def artefact(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        body, now = await read(request, ArtefactRequest), registry.clock.now()

        def effect(connection: Connection) -> tuple[int, bytes]:
            if not registry.ledger.fence.is_open(connection):
                raise Problem(409, "The registry allows nothing at present: it must be reconciled first.")
            catalogue = registry.snapshot(connection)
            try:
                done = issue(connection, catalogue, ring, body.record, caller.agency, issuer=issuer, now=now)
            except NoArtefact as refused:
                status, detail = _REFUSALS[refused.reason]
                raise Problem(status, detail) from None
            return 201, msgspec.json.encode(ArtefactAnswer(done.jwt, effects.time(done.expires_at)))

        return await effects.run(registry, ring.sealer, request, caller, body, effect)

    return [Route("/consent/v1/artefacts", artefact, methods=["POST"])]


def public(lists: StatusLists) -> list[Route]:
    async def status_list(request: Request) -> Response:
        number = request.path_params["number"]
        if "time" in request.query_params:
            # Historical resolution: an answer of now would be taken for one of then.
            raise Problem(501, "Status lists of the past are not kept here.")
        if not takes(request.headers.get("accept", ""), MEDIA_TYPE):
            raise Problem(406, f"Status lists are {MEDIA_TYPE}.")
        found = await lists.token(int(number)) if _NUMBER.match(number) else None
        if found is None:
            raise Problem(404, "There is no such status list.")
        token, etag = found
        headers = {
            "etag": etag,
            "content-type": MEDIA_TYPE,
            "vary": "accept",
            # Not its ttl: whoever asks again gets what holds now.
            "cache-control": "public, max-age=1",
            **_ANY_SITE,
        }
        if unchanged(etag.encode(), request.headers.get("if-none-match", "").encode()):
            return Response(status_code=304, headers=headers)
        return Response(token, headers=headers)

    async def aggregation(request: Request) -> Response:
        if not takes(request.headers.get("accept", ""), "application/json"):
            raise Problem(406, "The list of status lists is application/json.")
        told = msgspec.json.encode({"status_lists": await lists.addresses()})
        headers = {"cache-control": "public, max-age=60", "vary": "accept", **_ANY_SITE}
        return Response(told, media_type="application/json", headers=headers)

    return [
        Route(PATH, aggregation, methods=["GET"]),
        Route(f"{PATH}/{{number}}", status_list, methods=["GET"]),
    ]
