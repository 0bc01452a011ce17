"""The supervisor's page: one month's figures and what is unusual in them. It changes nothing; each look is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import parse_query
from base.i18n import N_
from base.people import OfficerSessions
from base.problems import Problem
from base.render import Renderer
from consent import history
from consent.pages.history import Bar, bars
from consent.pages.page import BASES
from consent.registry import Registry
from consent.supervision import months
from consent.supervision.anomalies import KINDS
from consent.supervision.disclosure import FEW, WITHHELD, Told
from consent.supervision.months import Month
from consent.supervision.report import COLUMNS, report

PATH = "/supervisor"
ROLE = "supervisor"
HEADINGS = {
    "allowed": N_("Allowed"),
    "denied": N_("Refused"),
    "unknown": N_("Unknown pseudonym"),
    "given": N_("Said yes"),
    "refused": N_("Said no"),
    "withdrawn": N_("Took it back"),
}
GROUNDS = {**BASES, "consent": N_("The citizen's permission")}


def routes(registry: Registry, renderer: Renderer, officers: OfficerSessions) -> list[Route]:
    return [Route(PATH, Supervisor(registry, renderer, officers).page, methods=["GET"])]


class Supervisor:
    def __init__(self, registry: Registry, renderer: Renderer, officers: OfficerSessions) -> None:
        self._registry = registry
        self._renderer = renderer
        self._officers = officers
        # A month that is not counted yet is counted by one of those who ask for it.
        self._one_at_a_time = asyncio.Lock()

    async def page(self, request: Request) -> Response:
        officer = await self._officers.officer(request)
        if officer is None or officer.role != ROLE:
            return RedirectResponse(f"{PATH}/login", 303)
        now, name = self._registry.clock.now(), parse_query(request).get("month")
        month = months.recent(now) if name is None else months.read(name, now)
        if month is None:
            raise Problem(404)
        database, days = self._registry.database, self._registry.report_days
        async with self._one_at_a_time:
            found = await asyncio.to_thread(report, database, month, report_days=days, actor=officer.id, now=now)
        _ = self._renderer.translator(request)
        span = months.before(month, 2, now)
        following = months.read(f"{month.start + timedelta(days=32):%Y-%m}", now)
        return self._renderer.page(
            request,
            "supervisor.html",
            bound_to=officer.session_digest,
            officer=officer,
            found=found,
            bars=_bars(found.months),
            older=_address(months.read(span[0].name, now)),
            newer=_address(following),
            columns={one: _(HEADINGS[one]) for one in COLUMNS},
            kinds={kind: _(text) for kind, text in KINDS.items()},
            grounds={ground: _(text) for ground, text in GROUNDS.items()},
            FEW=FEW,
            WITHHELD=WITHHELD,
        )


def _bars(span: Sequence[tuple[Month, dict[str, Told]]]) -> list[Bar]:
    """A month of which one part is withheld is not drawn: the other alone would be taken for the whole."""
    drawn = []
    for one, told in span:
        parts = [told["allowed"], told["denied"]]
        allowed, denied = (0, 0) if WITHHELD in parts else (part if isinstance(part, int) else 0 for part in parts)
        drawn.append(history.Month(one.start, allowed, denied))
    return bars(drawn)


def _address(month: Month | None) -> str | None:
    return f"{PATH}?month={month.name}" if month is not None else None
