"""/consent/v1/event-streams: an agency's event streams, and poll delivery of what waits in them (RFC 8936)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_json
from base.problems import API_VERSION, Problem
from consent.api import effects
from consent.api.shapes import END, answer
from consent.callers import Caller, Callers
from consent.events import sets, streams
from consent.events.polling import MOST, Asked, Polling
from consent.events.streams import TooManyStreams, Wanted
from consent.registry import Registry
from keys.seal import Sealer

SCOPE = "consent:events"
PATH = "/consent/v1/event-streams"
T = TypeVar("T")

Kind = Literal["consent-given", "consent-changed", "consent-withdrawn", "consent-used", "consent-expired"]
Jti = Annotated[str, msgspec.Meta(pattern=f"^[A-Za-z0-9_-]{{22}}{END}", max_length=22)]
Most = Annotated[float, msgspec.Meta(ge=0, le=1_000_000, multiple_of=1)]
"""A whole number: see consent.api.shapes.Version."""


class StreamRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What you want to hear. `events`: all, if you do not say. `status`: while paused, what happens waits."""

    events: Annotated[list[Kind], msgspec.Meta(min_length=1, max_length=5)] = msgspec.field(
        default_factory=lambda: list(sets.KINDS)  # type: ignore[arg-type]  # the same five
    )
    status: Literal["enabled", "paused"] = "enabled"


class StreamAnswer(msgspec.Struct, rename="camel"):
    """`pollEndpoint`: RFC 8936. `waiting`: events that you have not acknowledged."""

    id: str
    events: list[str]
    status: str
    poll_endpoint: str
    waiting: int
    created_at: str


class StreamList(msgspec.Struct):
    streams: list[StreamAnswer]


class SetError(msgspec.Struct, forbid_unknown_fields=True):
    """Why you could not take a token (RFC 8936 section 2.6). The description is not kept."""

    err: Annotated[str, msgspec.Meta(pattern=f"^[a-zA-Z_-]{{1,64}}{END}", max_length=64)]
    description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


class PollRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """RFC 8936 section 2.2. `maxEvents`: 100 at most; 0 acknowledges and asks nothing."""

    max_events: Most = MOST
    return_immediately: bool = False
    acks: Annotated[list[Jti], msgspec.Meta(max_length=1_000)] = []
    set_errs: Annotated[dict[Jti, SetError], msgspec.Meta(max_length=1_000)] = {}


class PollAnswer(msgspec.Struct, rename="camel"):
    """`sets`: Security Event Tokens by their jti, in the order in which things happened."""

    sets: dict[str, str]
    more_available: bool


class VerificationRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`state`: comes back in the event."""

    state: Annotated[str, msgspec.Meta(pattern=f"^[ -~]*{END}", max_length=200)] = ""


class VerificationAnswer(msgspec.Struct):
    jti: str


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`since`: the jti of the last event that you still have; without it, all that is kept (30 days)."""

    since: Jti | None = None


class ReplayAnswer(msgspec.Struct):
    """How many events you have acknowledged before wait again."""

    events: int


class _Streams:
    def __init__(self, registry: Registry, polling: Polling, callers: Callers, sealer: Sealer, issuer: str) -> None:
        self._registry = registry
        self._sealer = sealer
        self._database = registry.database
        self._polling = polling
        self._callers = callers
        self._issuer = issuer
        self._clock = registry.clock

    async def add(self, request: Request) -> Response:
        caller, now = await self._caller(request), self._clock.now()
        body = await read_json(request, StreamRequest)

        def effect(connection: Connection) -> tuple[int, bytes]:
            try:
                made = streams.add(connection, caller.agency, caller.client_id, _wanted(body), now)
            except TooManyStreams:
                raise Problem(409, f"An agency has {streams.MOST} event streams at most.") from None
            return 201, msgspec.json.encode(self._told((made, 0)))

        return await effects.run(self._registry, self._sealer, request, caller, body, effect)

    async def every(self, request: Request) -> Response:
        caller = await self._caller(request)
        found = await self._database.read(lambda c: streams.every(c, caller.agency))
        return answer(StreamList([self._told(one) for one in found]))

    async def one(self, request: Request) -> Response:
        caller, stream = await self._caller(request), request.path_params["stream"]
        return answer(self._told(await self._database.read(lambda c: streams.find(c, stream, caller.agency))))

    async def change(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()
        wanted = _wanted(await read_json(request, StreamRequest))
        return answer(
            self._told(
                await self._database.write(
                    lambda c: streams.change(c, stream, caller.agency, caller.client_id, wanted, now)
                )
            )
        )

    async def remove(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()
        if not await self._database.write(lambda c: streams.remove(c, stream, caller.agency, caller.client_id, now)):
            raise _none()
        return Response(status_code=204, headers={"api-version": API_VERSION})

    async def poll(self, request: Request) -> Response:
        caller, body = await self._caller(request), await read_json(request, PollRequest)
        errors = {jti: one.err for jti, one in body.set_errs.items()}
        asked = Asked(min(int(body.max_events), MOST), body.return_immediately, tuple(body.acks), errors)
        stream, gone = request.path_params["stream"], request.is_disconnected
        polled = _there(await self._polling.poll(stream, caller.agency, asked, gone))
        return answer(PollAnswer(polled.sets, polled.more))

    async def verify(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()
        body = await read_json(request, VerificationRequest)
        jti = await self._database.write(lambda c: streams.verify(c, stream, caller.agency, body.state, now))
        return answer(VerificationAnswer(_there(jti)), 202)

    async def replay(self, request: Request) -> Response:
        caller, stream = await self._caller(request), request.path_params["stream"]
        body = await read_json(request, ReplayRequest)
        count = await self._database.write(lambda c: streams.replay(c, stream, caller.agency, body.since))
        return answer(ReplayAnswer(_there(count)))

    async def _caller(self, request: Request) -> Caller:
        caller = await self._callers.require(request, SCOPE)
        if parse_query(request):
            raise Problem(400, "This address takes no query parameters.")
        return caller

    def _told(self, found: streams.Counted | None) -> StreamAnswer:
        stream, waiting = _there(found)
        address = f"{self._issuer}{PATH}/{stream.id}/poll"
        at = effects.time(stream.created_at)
        return StreamAnswer(stream.id, list(stream.kinds), stream.status, address, waiting, at)


def routes(registry: Registry, polling: Polling, callers: Callers, sealer: Sealer, issuer: str) -> list[Route]:
    own, one = _Streams(registry, polling, callers, sealer, issuer), f"{PATH}/{{stream}}"
    return [
        Route(f"{one}/poll", own.poll, methods=["POST"]),
        Route(PATH, own.add, methods=["POST"]),
        Route(PATH, own.every, methods=["GET"]),
        Route(one, own.one, methods=["GET"]),
        Route(one, own.change, methods=["PUT"]),
        Route(one, own.remove, methods=["DELETE"]),
        Route(f"{one}/verifications", own.verify, methods=["POST"]),
        Route(f"{one}/replays", own.replay, methods=["POST"]),
    ]


def _wanted(body: StreamRequest) -> Wanted:
    return Wanted(tuple(dict.fromkeys(body.events)), body.status)


def _there(found: T | None) -> T:
    """Problem 404 when the agency has none of this name."""
    if found is None:
        raise _none()
    return found


def _none() -> Problem:
    return Problem(404, "You have no event stream, or in it no event, of this name.")
