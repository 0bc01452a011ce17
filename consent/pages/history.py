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
from base.i18n import N_
from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent import lookups
from consent.errors import BadCursor
from consent.history import Month, midnight
from consent.pages.page import Page, login
from consent.registry import Filter, Registry

PAGE = 25
PATH = "/my/history"
DAY = {
    "from": N_("First day: choose a day, or write it as year-month-day: 2026-11-25, for example."),
    "to": N_("Last day: choose a day, or write it as year-month-day: 2026-11-25, for example."),
}
ORDER = N_("The last day comes before the first day. Choose a later last day.")
_NO_DAY = date.min
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
        wanted, errors = _filter(query)
        _ = self.renderer.translator(request)
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
            status=400 if errors else 200,
            errors={name: _(text) for name, text in errors.items()},
            uses=page.uses,
            older=f"{person.my}/history?{urlencode({**chosen, 'before': page.older})}" if page.older else None,
            overview=overview,
            WHAT=lookups.WHAT,
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


def _filter(query: Form) -> tuple[Filter, dict[str, str]]:
    """What is chosen, and what to say beside a field. Days are people's days; both ends belong to the period."""
    since, last = _day(query.get("from")), _day(query.get("to"))
    errors = {name: DAY[name] for name, day in (("from", since), ("to", last)) if day is _NO_DAY}
    if not errors and since and last and last < since:
        errors["to"] = ORDER
    if errors:
        since = last = None
    until = last + timedelta(days=1) if last else None
    return Filter(
        query.get("agency") or None,
        query.get("purpose") or None,
        query.get("decision") or None,
        midnight(since) if since else None,
        midnight(until) if until else None,
    ), errors


def _day(text: str | None) -> date | None:
    """The first and the last years of the calendar are no moments in UTC: no day to us."""
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return _NO_DAY
    return found if found is None or 1900 <= found.year <= 9000 else _NO_DAY
