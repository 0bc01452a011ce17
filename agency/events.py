"""Hearing what becomes of consents: verify events, and take each once, pushed (RFC 8935) or polled (RFC 8936).

    inbox = Inbox(client, "municipality", forget_what_we_hold)
    await Stream(client, inbox).follow()         # polls for ever; makes its stream at the first time
    Starlette(routes=[route(inbox, "/events")])  # or is pushed to

An event may come twice, and after a restart the inbox has forgotten which: let what you do be harmless when repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agency.client import Client
from agency.errors import AgencyError, InvalidToken, NotBelievedYet, Unreachable

TYP, SCOPE = "secevent+jwt", "consent:events"
KINDS = (
    "consent-given", "consent-changed", "consent-withdrawn", "consent-expired", "consent-used", "complaint-sent",
    "request-answered", "request-closed",
)  # fmt: skip
LOST = "events-lost"
"""About the stream itself: events were deleted before you took them. Ask anew, by checks, what still holds."""
REMEMBERED = 10_000
MAX_BODY = 16_384
AGAIN_S, AGAIN_MOST_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, `at` seconds since 1970. `said`: consent, recipient, purpose, data, …

    `kind`: consent-withdrawn and the like, or another's whole name. `sub`: the citizen as this agency knows him, ""
    when it is about the stream.
    """

    jti: str
    kind: str
    sub: str
    at: int
    said: Mapping[str, Any]


Handle = Callable[[Event], Awaitable[None]]
"""What an agency does; when it raises, the event comes again."""


async def read(client: Client, token: str, agency: str) -> Event:
    """Believe an event, or InvalidToken: signature, type, issuer, audience, one event, the citizen in our own words."""
    claims = await client.verify(token, typ=TYP, audience=agency, ends=False)
    events, subject = claims.get("events"), claims.get("sub_id")
    if not isinstance(events, dict) or len(events) != 1 or not isinstance(subject, dict):
        raise InvalidToken("no single event")
    ((name, said),) = events.items()
    sub = subject.get("sub", "") if subject.get("format") == "iss_sub" else ""
    ours = subject.get("iss", client.issuer) == client.issuer
    if not ours or not isinstance(said, dict) or not isinstance(sub, str) or not isinstance(claims.get("jti"), str):
        raise InvalidToken("an event of somebody else")
    return Event(
        claims["jti"], name.removeprefix(f"{client.issuer}/events/"), sub, int(claims.get("toe", claims["iat"])), said
    )


class Inbox:
    """Each event once, as far as memory goes, whichever way it came."""

    def __init__(self, client: Client, agency: str, handle: Handle) -> None:
        self.client = client
        self.agency = agency
        self._handle = handle
        self._known: OrderedDict[str, None] = OrderedDict()

    async def take(self, token: str) -> None:
        """InvalidToken; and whatever the handler raises."""
        await self.handle(await read(self.client, token, self.agency))

    async def handle(self, event: Event) -> None:
        """Of an event that was read. Whatever the handler raises."""
        if event.jti not in self._known:
            await self._handle(event)
            self._known[event.jti] = None
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


class Stream:
    """A stream that is polled. `kinds`: what to hear; all, if nothing is said. `last`: the newest event taken.

    Each program that listens needs a stream of its own: two that poll one take each other's events.
    """

    def __init__(self, client: Client, inbox: Inbox, *, kinds: Sequence[str] = KINDS) -> None:
        self._client = client
        self._inbox = inbox
        self._kinds = list(kinds)
        self._id = ""
        self._acks: list[str] = []
        self._errors: dict[str, dict[str, str]] = {}
        self._beginning = asyncio.Lock()
        self.last = ""

    async def begin(self) -> str:
        """The id of the agency's first stream that is polled and has these kinds, made if there is none.

        From then on nothing is missed.
        """
        async with self._beginning:
            if not self._id:
                streams = (await self._call("GET", ""))["streams"]
                fit = [one for one in streams if not one["endpoint"] and one["status"] == "enabled"]
                fit = [one for one in fit if set(one["events"]) == set(self._kinds)]
                self._id = (fit[0] if fit else await self._call("POST", "", {"events": self._kinds}))["id"]
            return self._id

    async def poll(self, *, at_once: bool = False) -> int:
        """Acknowledge what was taken, get and take the next; how many came. Unreachable, Denied.

        In order: when one cannot be handled, what came after it of the same citizen waits too; and all that came after
        one that cannot be believed yet.
        """
        asked = {"maxEvents": 50, "returnImmediately": at_once, "acks": self._acks, "setErrs": self._errors}
        answer = await self._call("POST", f"/{await self.begin()}/poll", asked)
        self._acks, self._errors = [], {}
        held: set[str] = set()
        for jti, token in answer["sets"].items():
            try:
                event = await read(self._client, token, self._inbox.agency)
            except NotBelievedYet:
                break
            except InvalidToken as error:
                self._errors[jti] = {"err": "invalid_request", "description": str(error)}
                continue
            if event.sub in held:
                continue
            try:
                await self._inbox.handle(event)
            except Exception:  # noqa: BLE001 - whatever it is, the event comes again
                held.add(event.sub)
                continue
            self._acks.append(jti)
            self.last = jti
        return len(answer["sets"])

    async def follow(self) -> None:
        """For ever; what cannot be reached is tried again, after pauses that grow."""
        pause = AGAIN_S
        while True:
            begun = time.monotonic()
            try:
                came = await self.poll()
                # Events came, and none could be handled.
                stuck = came > 0 and not self._acks and not self._errors
            except AgencyError:
                came, stuck = 0, True
            pause = min(pause * 2, AGAIN_MOST_S) if stuck else AGAIN_S
            # Nothing came and nobody waited for it: too many wait there already.
            if stuck or (not came and time.monotonic() - begun < AGAIN_S):
                await asyncio.sleep(pause)

    async def replay(self, since: str = "") -> int:
        """Get again what was taken after the event `since` (a `last` that you kept), or all; how many."""
        answer = await self._call("POST", f"/{await self.begin()}/replays", {"since": since} if since else {})
        return int(answer["events"])

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        token = await self._client.token(SCOPE)
        url = f"{await self._client.registry()}/event-streams{path}"
        status, answer = await self._client.call(method, url, token, body)
        if status >= 400:
            self._id = ""
            raise Unreachable(f"event streams answered {status}")
        return answer


def route(inbox: Inbox, path: str) -> Route:
    """The endpoint of a stream that is pushed: 202, or what is wrong (RFC 8935 section 2)."""

    async def take(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                return JSONResponse({"err": "invalid_request", "description": "it is too long"}, 400)
        try:
            await inbox.take(body.decode("ascii"))
        except NotBelievedYet:
            # Our keys or our clock may be behind: it is sent again, and not put aside.
            return JSONResponse(
                {"err": "invalid_key", "description": "not signed by a key known here, or not yet"}, 400
            )
        except (InvalidToken, UnicodeDecodeError):
            return JSONResponse({"err": "invalid_request", "description": "no event for this receiver"}, 400)
        return Response(status_code=202)

    return Route(path, take, methods=["POST"])
