"""Being a source: POST /releases gives data against a permit, and never without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agency import permits
from agency.client import Client
from agency.errors import Denied, InvalidToken, Unreachable

MAX_BODY = 32_768

Release = Callable[[str, list[str]], dict[str, Any]]
"""From the citizen's pseudonym at this source and the categories to the data, by category."""


def route(client: Client, source: str, release: Release) -> Route:
    """The endpoint. Verified and redeemed first: if the registry cannot be asked, the answer is no."""

    async def releases(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                return _refused(400, "a permit is needed", "no_permit")
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            given = None
        permit = given.get("permit") if isinstance(given, dict) else None
        if not isinstance(permit, str):
            return _refused(400, "a permit is needed", "no_permit")
        try:
            taken = await permits.redeem(client, permit, source=source)
        except InvalidToken:
            return _refused(403, "this is no valid permit for this source", "invalid")
        except Denied as error:
            return _refused(403, "the registry did not take this permit", error.reason)
        except Unreachable:
            return _refused(503, "the registry cannot be asked, so nothing is released", "unreachable")
        data = release(taken["sub"], taken["data"])
        return JSONResponse({"permitId": taken["permitId"], "data": data}, headers={"cache-control": "no-store"})

    return Route("/releases", releases, methods=["POST"])


def _refused(status: int, detail: str, reason: str) -> Response:
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, "reason": reason}
    return JSONResponse(body, status, media_type="application/problem+json")
