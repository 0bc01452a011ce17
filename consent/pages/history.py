"""Who used my data: every use and every refused attempt, newest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query
from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent.errors import BadCursor
from consent.pages.page import Page, login
from consent.registry import Filter, Registry

PAGE = 25


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = History(registry, renderer, citizens)
    return [
        Route("/my/history", pages.history, methods=["GET"]),
    ]


class History(Page):
    async def history(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        query = parse_query(request)
        agency, decision = query.get("agency") or None, query.get("decision") or None
        wanted = Filter(agency=agency, decision=decision)
        try:
            page = await self.registry.history(person.citizen, before=query.get("before"), limit=PAGE, wanted=wanted)
        except BadCursor:
            raise Problem(400) from None
        catalogue = await self.registry.catalogue()
        recipients = await self.registry.recipients(person.citizen)
        return self.page(
            request,
            "history.html",
            person,
            catalogue,
            uses=page.uses,
            older=page.older,
            recipients=recipients,
            agency=agency if agency in recipients else "",
            decision=decision if decision in ("allowed", "denied") else "",
        )
