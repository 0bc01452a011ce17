"""Refusals and accidents in the form that the address speaks.

APIs get problem+json, OAuth endpoints the JSON of RFC 6749 section 5.2, people a page in their language. None shows
more than a fixed sentence and the request id: no stack, no path, no input (ASVS 16.5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route

from base import problems
from base.database.engines import DatabaseFailed
from base.database.writer import Busy, NoRoom
from base.log import log
from base.problems import Problem

if TYPE_CHECKING:
    from base.render import Renderer

REQUEST_ID = "regie.request_id"
"""Key of the request id in the ASGI scope."""

_FORMS: tuple[tuple[str, str], ...] = (
    ("/consent/v1", "problem"),
    ("/population/v1", "problem"),
    ("/ledger", "problem"),
    ("/status-lists", "problem"),
    ("/govstack", "problem"),
    ("/estonia", "problem"),
    ("/health", "problem"),
    ("/metrics", "problem"),
    ("/.well-known", "problem"),
    ("/oauth2/authorize", "page"),
    ("/oauth2/logout", "page"),
    ("/oauth2", "oauth"),
)
"""First match decides the form of an error (never anybody's rights); all else is for people, and is not served at the
mTLS address."""


def request_id(request: Request) -> str:
    """This request's id, as in the X-Request-ID response header and the log."""
    return str(request.scope.get(REQUEST_ID, ""))


def form_of(path: str) -> str:
    """`problem`, `oauth` or `page`."""
    return next((form for prefix, form in _FORMS if path == prefix or path.startswith(prefix + "/")), "page")


class Refusals:
    """Turns refusals into responses; holds the renderer for those that people read."""

    def __init__(self, renderer: Renderer | None) -> None:
        self.renderer = renderer

    def answer(self, request: Request, problem: Problem) -> Response:
        form = form_of(request.scope["path"])
        if form == "problem" or (form == "page" and _wants_json(request)):
            return problems.response(problem, request_id(request))
        if form == "oauth":
            return _oauth(problem)
        if self.renderer is None:
            return PlainTextResponse(f"{problem.title} ({request_id(request)})", problem.status, problem.headers)
        return self.renderer.error(request, problem, request_id(request))

    def problem(self, error: Exception) -> Problem | None:
        """What an exception of an endpoint means to the caller; None for an accident."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, NoRoom):
            detail = "The disk is full: nothing is written but withdrawals and logins. Nothing was done."
            return Problem(503, detail, headers={"retry-after": "30"}, error="temporarily_unavailable")
        if isinstance(error, Busy):
            # More waits than will be served in time: refused at once, and nothing was done.
            return Problem(503, headers={"retry-after": "1"}, error="temporarily_unavailable")
        if isinstance(error, DatabaseFailed):
            # The database is away, full or broken: what was asked was not done, and may be asked again.
            log.error("database.failed", error=type(error).__name__)
            return Problem(503, headers={"retry-after": "5"}, error="temporarily_unavailable")
        if isinstance(error, HTTPException):
            # Its detail is not repeated.
            return Problem(
                error.status_code, headers={name.lower(): value for name, value in (error.headers or {}).items()}
            )
        return None

    async def on_problem(self, request: Request, error: Exception) -> Response:
        """Ours, the database's when it is busy, and Starlette's own: unknown address, wrong method."""
        problem = self.problem(error)
        assert problem is not None
        if problem.status == 405:
            problem.headers["allow"] = ", ".join(allowed(request))
        return self.answer(request, problem)

    async def on_invalid(self, request: Request, error: Exception) -> Response:
        """FastAPI's validation: 400 here, never 422 (Dutch API Design Rules); the input is not repeated."""
        assert isinstance(error, RequestValidationError)
        errors = [
            {"in": str(one["loc"][0]), "location": ".".join(map(str, one["loc"][1:])), "detail": str(one["msg"])[:200]}
            for one in error.errors()[:20]
        ]
        return self.answer(request, Problem(400, errors=errors))

    async def on_accident(self, request: Request, _error: Exception) -> Response:
        """Anything unforeseen; the frame logs it."""
        return self.answer(request, Problem(500, error="server_error"))


def install(app: Starlette, renderer: Renderer | None) -> None:
    """Give an application (or one mounted inside another) our forms of refusal; a trailing slash is 404."""
    refusals = Refusals(renderer)
    app.router.redirect_slashes = False
    for kind in (Problem, HTTPException, Busy, DatabaseFailed):
        app.add_exception_handler(kind, refusals.on_problem)
    app.add_exception_handler(RequestValidationError, refusals.on_invalid)
    app.add_exception_handler(Exception, refusals.on_accident)


def allowed(request: Request) -> list[str]:
    """The methods this address supports, over all routes that share it (RFC 9110 section 15.5.6)."""
    app = request.scope.get("app")
    methods: set[str] = set()
    routes: list[BaseRoute] = list(app.routes) if isinstance(app, Starlette) else []
    for route in routes:
        if isinstance(route, Route) and route.methods and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    return sorted(methods)


def _oauth(problem: Problem) -> Response:
    error = "server_error" if problem.status >= 500 else problem.error
    body = msgspec.json.encode({"error": error, "error_description": problem.detail})
    headers = {**problem.headers, "content-type": "application/json", "pragma": "no-cache"}
    return Response(body, problem.status, headers)


def _wants_json(request: Request) -> bool:
    """Our own scripts (the passkey ceremony) ask for JSON and nothing else."""
    return request.headers.get("accept", "") in {"application/json", "application/problem+json"}
