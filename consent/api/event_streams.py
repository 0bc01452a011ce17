"""/consent/v1/event-streams: an agency's event streams, and poll delivery of what waits in them (RFC 8936)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base import outbound
from base.database import Connection
from base.forms import no_query
from base.problems import API_VERSION, Problem
from consent.api import effects
from consent.api.event_shapes import (
    Delivery,
    DeliveryList,
    PollAnswer,
    PollRequest,
    ReplayAnswer,
    ReplayRequest,
    StreamAnswer,
    StreamList,
    StreamRequest,
    VerificationAnswer,
    VerificationRequest,
)
from consent.api.shapes import answer, read
from consent.callers import Caller, Callers
from consent.events import streams
from consent.events.lost import KEPT
from consent.events.polling import MOST, Asked, Polling
from consent.events.streams import Counted, Delivered, TooManyStreams, Wanted
from consent.registry import Registry
from keys.seal import Sealer

SCOPE = "consent:events"
PATH = "/consent/v1/event-streams"
ERRORS = frozenset(
    {"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"}
)
"""What is kept of what a receiver says (RFC 8935 section 2.4); whatever else is "other"."""
T = TypeVar("T")
MayPush = Callable[[str], object]
"""base.outbound.Refused for an address that we do not connect to."""


class _Streams:
    def __init__(
        self, registry: Registry, polling: Polling, callers: Callers, sealer: Sealer, issuer: str, may: MayPush
    ) -> None:
        self._may = may
        self._registry = registry
        self._sealer = sealer
        self._database = registry.database
        self._polling = polling
        self._callers = callers
        self._issuer = issuer
        self._clock = registry.clock

    async def add(self, request: Request) -> Response:
        caller, now = await self._caller(request), self._clock.now()
        body = await read(request, StreamRequest)
        wanted = self._wanted(body)

        def effect(connection: Connection) -> tuple[int, bytes]:
            try:
                made = streams.add(
                    connection, caller.agency, caller.client_id, wanted, now, pseudonyms=self._registry.pseudonyms
                )
            except TooManyStreams:
                raise Problem(409, f"An agency has {streams.MOST} event streams at most.") from None
            return 201, msgspec.json.encode(self._told(Counted(made, 0, None, 0)))

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
        wanted = self._wanted(await read(request, StreamRequest))
        return answer(
            self._told(
                await self._database.write(
                    lambda c: streams.change(
                        c, stream, caller.agency, caller.client_id, wanted, now, pseudonyms=self._registry.pseudonyms
                    )
                )
            )
        )

    async def remove(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()

        def effect(connection: Connection) -> tuple[int, bytes]:
            if not streams.remove(connection, stream, caller.agency, caller.client_id, now):
                raise _none()
            return 204, b""

        await effects.keyed(self._registry, self._sealer, request, caller.client_id, None, effect)
        return Response(status_code=204, headers={"api-version": API_VERSION})

    async def poll(self, request: Request) -> Response:
        caller, body = await self._caller(request), await read(request, PollRequest)
        errors = {jti: one.err if one.err in ERRORS else "other" for jti, one in body.set_errs.items()}
        asked = Asked(min(int(body.max_events), MOST), body.return_immediately, tuple(body.acks), errors)
        stream, gone = request.path_params["stream"], request.is_disconnected
        polled = _there(await self._polling.poll(stream, caller.agency, asked, gone))
        return answer(PollAnswer(polled.sets, polled.more))

    async def verify(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()
        body = await read(request, VerificationRequest)

        def effect(connection: Connection) -> tuple[int, bytes]:
            jti = _there(streams.verify(connection, stream, caller.agency, body.state, now))
            return 202, msgspec.json.encode(VerificationAnswer(jti))

        return await effects.run(self._registry, self._sealer, request, caller, body, effect)

    async def replay(self, request: Request) -> Response:
        caller, stream, now = await self._caller(request), request.path_params["stream"], self._clock.now()
        body = await read(request, ReplayRequest)
        count = await self._database.write(lambda c: streams.replay(c, stream, caller.agency, body.since, now))
        return answer(ReplayAnswer(_there(count)))

    async def deliveries(self, request: Request) -> Response:
        caller, stream = await self._caller(request), request.path_params["stream"]
        found = _there(await self._database.read(lambda c: streams.deliveries(c, stream, caller.agency)))
        return answer(DeliveryList([_delivery(one) for one in found]))

    async def _caller(self, request: Request) -> Caller:
        caller = await self._callers.require(request, SCOPE)
        no_query(request)
        return caller

    def _told(self, found: Counted | None) -> StreamAnswer:
        told = _there(found)
        stream = told.stream
        address = f"{self._issuer}{PATH}/{stream.id}/poll"
        at = effects.time(stream.created_at)
        status: Any = "parked" if stream.parked_at is not None else stream.status
        return StreamAnswer(
            stream.id,
            list(stream.kinds),
            status,
            address,
            told.waiting,
            at,
            stream.endpoint or None,
            _time(stream.failing_since),
            stream.said,
            _time(told.oldest + KEPT if told.oldest is not None else None),
            told.lost,
        )

    def _wanted(self, body: StreamRequest) -> Wanted:
        """Problem 403 for an address that we do not connect to."""
        if body.endpoint is not None:
            try:
                self._may(body.endpoint)
            except outbound.Refused as refused:
                raise Problem(403, f"The endpoint: {refused}.", members={"reason": "endpoint"}) from None
        return Wanted(tuple(dict.fromkeys(body.events)), body.status, body.endpoint or "")


def routes(
    registry: Registry, polling: Polling, callers: Callers, sealer: Sealer, issuer: str, may: MayPush
) -> list[Route]:
    own, one = _Streams(registry, polling, callers, sealer, issuer, may), f"{PATH}/{{stream}}"
    return [
        Route(f"{one}/poll", own.poll, methods=["POST"]),
        Route(PATH, own.add, methods=["POST"]),
        Route(PATH, own.every, methods=["GET"]),
        Route(one, own.one, methods=["GET"]),
        Route(one, own.change, methods=["PUT"]),
        Route(one, own.remove, methods=["DELETE"]),
        Route(f"{one}/deliveries", own.deliveries, methods=["GET"]),
        Route(f"{one}/verifications", own.verify, methods=["POST"]),
        Route(f"{one}/replays", own.replay, methods=["POST"]),
    ]


def _delivery(one: Delivered) -> Delivery:
    event, done_at, error = one
    status: Any = "waiting" if done_at is None else "refused" if error else "taken"
    return Delivery(event.jti, event.kind, effects.time(event.at), status, error)


def _time(at: datetime | None) -> str | None:
    return effects.time(at) if at is not None else None


def _there(found: T | None) -> T:
    """Problem 404 when the agency has none of this name."""
    if found is None:
        raise _none()
    return found


def _none() -> Problem:
    return Problem(404, "You have no event stream, or in it no event, of this name.")
