"""The citizen's consents, and one of them with what happened to it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query
from base.people import CitizenSessions
from base.render import Renderer
from consent.pages import listing
from consent.pages.complaining import MANY
from consent.pages.page import Page, login
from consent.registry import Registry


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = Consents(registry, renderer, citizens)
    return [
        Route("/my/consents", pages.consents, methods=["GET"]),
        Route("/my/consents/{consent}", pages.consent, methods=["GET"]),
    ]


class Consents(Page):
    async def consents(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        query = parse_query(request)
        wanted, stopped = listing.read(query), query.get("stopped")
        records = await self.registry.consents(person.citizen)
        last = await self.registry.last_uses(person.citizen)
        catalogue, language = await self.registry.catalogue(), self.renderer.language(request)
        rows = [listing.row(one, self.state(one), last, catalogue, language) for one in records]
        active = {one.record.agency for one in rows if one.state == "given"}
        return self.page(
            request,
            "consents.html",
            person,
            catalogue,
            rows=listing.arranged(rows, wanted),
            wanted=wanted,
            ORDERS=listing.ORDERS,
            agencies=sorted({(one.agency, one.record.agency) for one in rows}),
            holders=active,
            stopped=None if stopped in active else stopped,
        )

    async def consent(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        record, query = await self.mine(request, person), parse_query(request)
        events = await self.registry.events(record.id)
        catalogue = await self.registry.catalogue()
        return self.page(
            request,
            "consent.html",
            person,
            catalogue,
            record=record,
            state=self.state(record),
            events=events,
            withdrawn="withdrawn" in query,
            deletion=query.get("deletion", ""),
            MANY=MANY,
            under_way=await self.registry.under_way(record.id, person.citizen),
        )
