"""Who used my data: every use and every refused attempt, newest first; filters, and the months as a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import Form, parse_query
from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent.errors import BadCursor
from consent.history import Month, midnight
from consent.pages.page import Page, login
from consent.registry import Filter, Registry

PAGE = 25
PATH = "/my/history"
CHOICES = ("agency", "purpose", "decision", "from", "to")
# The chart's drawing, in units of its own: a column for each month, and room above for its number.
_COLUMN, _BAR, _HEIGHT, _ABOVE = 30, 22, 120, 18


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = History(registry, renderer, citizens)
    return [Route(PATH, pages.history, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class Bar:
    """One month: the refused stand on the allowed. `top`: where its number is written."""

    month: Month
    x: int
    allowed: float
    denied: float

    @property
    def top(self) -> float:
        return _ABOVE + _HEIGHT - self.allowed - self.denied


class History(Page):
    async def history(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        query = parse_query(request)
        chosen = {name: query.get(name) or "" for name in CHOICES}
        wanted = _filter(query)
        try:
            page = await self.registry.history(person.citizen, before=query.get("before"), limit=PAGE, wanted=wanted)
        except BadCursor:
            raise Problem(400) from None
        overview = await self.registry.history_overview(person.citizen, wanted)
        return self.page(
            request,
            "history.html",
            person,
            await self.registry.catalogue(),
            uses=page.uses,
            older=f"{PATH}?{urlencode({**chosen, 'before': page.older})}" if page.older else None,
            overview=overview,
            bars=bars(overview.months),
            chosen=chosen,
        )


def bars(months: Sequence[Month]) -> list[Bar]:
    """Empty when there is nothing to draw."""
    highest = max(one.total for one in months)
    if not highest:
        return []
    scale = _HEIGHT / highest
    return [
        Bar(one, place * _COLUMN + (_COLUMN - _BAR) // 2, round(one.allowed * scale, 1), round(one.denied * scale, 1))
        for place, one in enumerate(months)
    ]


def _filter(query: Form) -> Filter:
    """Days are people's days; both ends belong to the period."""
    try:
        since = midnight(date.fromisoformat(query["from"])) if query.get("from") else None
        until = midnight(date.fromisoformat(query["to"]) + timedelta(days=1)) if query.get("to") else None
        # The first and the last years of the calendar are no moments in UTC.
        if any(one is not None and not 1900 <= one.year <= 9000 for one in (since, until)):
            raise Problem(400)
    except (ValueError, OverflowError):
        raise Problem(400) from None
    return Filter(
        query.get("agency") or None, query.get("purpose") or None, query.get("decision") or None, since, until
    )
