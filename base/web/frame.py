"""The outermost guard, pure ASGI.

In this order, for every HTTP request:
 1. the headers are measured (16 KB), Host found: exactly one, and of an address of ours, before anything is routed
    (CVE-2026-48710); nothing of ours is ever built from it (base.web.addresses)
 2. documents that are the same for everyone are answered at once
 3. address (8 KB) and its spelling: an encoded or doubled slash or a dot segment is nobody's (Keycloak CVE-2026-9800)
 4. X-Forwarded-*, Client-Cert and their like are taken away; only a listed proxy is believed (base.web.proxy)
 5. the body is counted while it is read, whatever Content-Length says; above the limit the answer is 413
 6. who sent a trace's number takes part in that trace (base.trace)
 7. the response gets its request id and security headers; whatever breaks becomes a bare 500 in the right form
"""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from base import trace
from base.clock import Clock, SystemClock
from base.forms import MAX_BODY, takes_json
from base.problems import API_VERSION, Problem
from base.web import dispatch
from base.web.addresses import Addresses
from base.web.cached import Cached, unchanged
from base.web.dispatch import Endpoint
from base.web.errors import REQUEST_ID, Refusals, install
from base.web.headers import RawHeaders, security_headers
from base.web.proxy import FORWARDED, Proxy

if TYPE_CHECKING:
    from base.render import Renderer
    from base.settings import Settings

MAX_HEADERS = 16 * 1024
"""Bytes of names and values together."""
MAX_URL = 8 * 1024

_API = "/consent/v1"
_ODD_PATH = re.compile(rb"//|%2f|%5c|\\|/\.\.?(/|;|$)|%2e|;|%00|%0d|%0a", re.IGNORECASE)

log = structlog.get_logger("regie.web")


def frame(
    app: ASGIApp | Sequence[BaseRoute],
    settings: Settings,
    *,
    cached: Mapping[str, Cached] | None = None,
    renderer: Renderer | None = None,
    body_limit: int = MAX_BODY,
    body_limits: Mapping[str, int] | None = None,
    clock: Clock | None = None,
) -> Frame:
    """One application of routes, or of an application, with the guard around it.

    `cached`: documents by path. `body_limits`: bytes, by path, where it is another than `body_limit`. With a `renderer`, its static files and its language switch are served too. `clock`:
    at whose time a forwarded certificate must be valid.
    """
    inner = Starlette(routes=list(app)) if isinstance(app, Sequence) else app
    documents, endpoints = dict(cached or {}), {}
    if isinstance(inner, Starlette):
        install(inner, renderer)
        if renderer is not None:
            inner.router.routes.extend(renderer.routes())
        endpoints = dispatch.table(inner.router.routes)
    if renderer is not None:
        documents.update(renderer.static_files)
    return Frame(
        inner, settings, documents, endpoints, Refusals(renderer), body_limit, body_limits or {}, clock or SystemClock()
    )


class Frame:
    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        cached: dict[str, Cached],
        endpoints: dict[tuple[str, str], Endpoint],
        refusals: Refusals,
        body_limit: int,
        body_limits: Mapping[str, int],
        clock: Clock,
    ) -> None:
        self.app = app
        self.cached = cached
        self.endpoints = endpoints
        self.refusals = refusals
        self._body_limit = body_limit
        self._body_limits = body_limits
        self.addresses = Addresses(settings)
        self.proxy = Proxy(settings)
        self.clock = clock
        self.security = security_headers(development=settings.development)
        self.security_names = frozenset(name for name, _ in self.security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Lifespan passes; we serve no WebSocket, and an unrouted one is closed by Starlette.
            await self.app(scope, receive, send)
            return

        host = none_match = b""
        size = hosts = 0
        forwarded = False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                host = value
                hosts += 1
            elif name == b"if-none-match":
                none_match = value
            elif name.startswith(FORWARDED):
                forwarded = True
        if hosts != 1 or not self.addresses.enter(scope, host):
            await self._refuse(scope, receive, send, Problem(400, "This host is not served here."))
            return

        document = self._known(scope)
        if document is not None and scope["method"] in ("GET", "HEAD") and size <= MAX_HEADERS:
            await self._document(document, none_match, scope, send)
            return
        problem = self._unacceptable(scope, size, known=document is not None)
        if problem is None and forwarded:
            problem = self.proxy.read(scope, self.clock.now())
        if problem is not None:
            await self._refuse(scope, receive, send, problem)
            return
        await self._run(scope, receive, send)

    def body_limit(self, scope: Scope) -> int:
        """Bytes that are read of a body that is sent there."""
        return self._body_limits.get(scope["path"], self._body_limit)

    def _known(self, scope: Scope) -> Cached | None:
        """The document at this address, or the view of it that the query asks for."""
        document = self.cached.get(scope["path"])
        return document.of(scope["query_string"]) if document is not None and scope["query_string"] else document

    async def _document(self, document: Cached, none_match: bytes, scope: Scope, send: Send) -> None:
        """Bytes from memory. No request id here: nothing can go wrong, and the bytes are everybody's."""
        body, etag, headers, headers_unchanged = document.prepared(self.security)
        if none_match and unchanged(etag, none_match):
            await send({"type": "http.response.start", "status": 304, "headers": headers_unchanged})
            body = b""
        else:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _unacceptable(self, scope: Scope, size: int, *, known: bool) -> Problem | None:
        if size > MAX_HEADERS:
            return Problem(431)
        path = scope.get("raw_path") or scope["path"].encode()
        if len(path) + len(scope["query_string"]) > MAX_URL:
            return Problem(414)
        if _ODD_PATH.search(path) or not self.addresses.serves(scope):
            return Problem(404)
        if known:
            return Problem(405, headers={"allow": "GET, HEAD"})
        for name, value in scope["headers"]:
            if name == b"content-length" and (
                not value.isdigit() or len(value) > 12 or int(value) > self.body_limit(scope)
            ):
                return Problem(413 if value.isdigit() else 400)
            if name == b"accept" and scope["path"].startswith(_API) and not takes_json(value.decode("latin-1")):
                return Problem(406, "This API answers in application/json.")
        return None

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace.enter(scope["headers"])
        exchange = _Exchange(self, scope, receive, send)
        endpoint = self.endpoints.get((scope["method"], scope["path"]))
        problem: Problem | None = None
        try:
            if endpoint is None:
                await self.app(scope, exchange.receive, exchange.send)
            else:
                response = await endpoint(Request(scope, exchange.receive))
                await response(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: nothing of it may reach the caller
            problem = self.refusals.problem(error)
            if problem is None:
                _log(error, scope[REQUEST_ID])
        if exchange.started:
            return
        if exchange.too_large:
            # What is left of the body would be read as the next request.
            problem = Problem(413, headers={"connection": "close"})
            exchange.too_large = False
        problem = problem or Problem(500, error="server_error")
        await self.refusals.answer(Request(scope), problem)(scope, receive, exchange.send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
        """Refuse before routing. The body, if any, stays unread: the connection ends with the answer."""
        exchange = _Exchange(self, scope, receive, send)
        problem.headers["connection"] = "close"
        await self.refusals.answer(Request(scope), problem)(scope, receive, exchange.send)

    def finish(self, headers: RawHeaders, identifier: str, *, is_api: bool) -> RawHeaders:
        """The response's own headers, then ours where it has none of that name."""
        names = {name for name, _ in headers}
        if names.isdisjoint(self.security_names):
            headers += self.security
        else:
            headers += [header for header in self.security if header[0] not in names]
        headers.append((b"x-request-id", identifier.encode()))
        if is_api and b"api-version" not in names:
            headers.append((b"api-version", API_VERSION.encode()))
        return headers


class _Exchange:
    """One request and its response: counts the body in, finishes the headers out."""

    __slots__ = ("_frame", "_limit", "_receive", "_received", "_scope", "_send", "started", "too_large")

    def __init__(self, frame: Frame, scope: Scope, receive: Receive, send: Send) -> None:
        self._frame = frame
        self._scope = scope
        self._receive = receive
        self._send = send
        self._received = 0
        self._limit = frame.body_limit(scope)
        self.started = False
        self.too_large = False
        scope[REQUEST_ID] = secrets.token_hex(8)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self._limit:
                self.too_large = True
                raise Problem(413)
        return message

    async def send(self, message: Message) -> None:
        if not self.started:
            if self.too_large:
                # Whatever the application makes of a body that ran over the limit, the caller is told the reason.
                return
            self.started = True
            is_api = self._scope["path"].startswith(_API)
            headers = list(message.get("headers", ()))
            message["headers"] = self._frame.finish(headers, self._scope[REQUEST_ID], is_api=is_api)
        await self._send(message)


def _log(error: Exception, identifier: str) -> None:
    """Where it broke and of what kind; not its message, which may hold what the caller sent."""
    places = [f"{place.filename}:{place.lineno}" for place in traceback.extract_tb(error.__traceback__)[-5:]]
    log.error("request.failed", request_id=identifier, error=type(error).__name__, places=places)
