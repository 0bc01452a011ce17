"""/estonia/v2: findUsage, usagePeriod and heartbeat of Estonia's Data Tracker, for an agency's own uses."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query
from base.problems import Problem
from consent.api.shapes import answer
from consent.callers import Callers
from consent.estonia.tracker import MOST, Tracker, Wanted

BASE = "/estonia"
SCOPE = "consent:usage"
_INTEGER = re.compile(r"(0|[1-9][0-9]{0,9})\Z")
_AT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_KNOWN = {"userCode", "periodStart", "periodEnd", "offset", "limit"}


def routes(tracker: Tracker, callers: Callers) -> list[Route]:
    async def find_usage(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        query, asked_by = parse_query(request), request.headers.getlist("x-road-userid")
        if len(asked_by) != 1 or "userCode" not in query or set(query) - _KNOWN:
            raise _bad("userCode", "X-Road-UserId and userCode are needed, once each, and nothing unknown")
        wanted = Wanted(
            query["userCode"],
            asked_by[0],
            _instant(query.get("periodStart"), "periodStart"),
            _instant(query.get("periodEnd"), "periodEnd"),
            _number(query.get("offset"), "offset", 0),
            _number(query.get("limit"), "limit", MOST),
        )
        return answer(await tracker.find_usage(caller.agency, wanted))

    async def usage_period(request: Request) -> Response:
        await callers.require(request, SCOPE)
        return answer(await tracker.period())

    async def heartbeat(_request: Request) -> Response:
        return answer(await tracker.heartbeat())

    return [
        Route(f"{BASE}/v2/findUsage", find_usage, methods=["GET"]),
        Route(f"{BASE}/v2/usagePeriod", usage_period, methods=["GET"]),
        Route(f"{BASE}/v2/heartbeat", heartbeat, methods=["GET"]),
    ]


def _number(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    if not _INTEGER.match(text) or int(text) >= 2**31:
        raise _bad(name, "a whole number, not below 0")
    return int(text)


def _instant(text: str | None, name: str) -> datetime | None:
    """RFC 3339; digits below a microsecond are cut off."""
    if text is None:
        return None
    if not _AT.match(text):
        raise _bad(name, "a time such as 2021-01-31T10:20:30Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad(name, "a time that exists") from None


def _bad(name: str, detail: str) -> Problem:
    return Problem(400, errors=[{"in": "query", "location": name, "detail": detail}])
