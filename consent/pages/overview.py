"""The services of the country, and the citizen's overview."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.people import CitizenSessions
from base.render import Renderer
from consent.complaining import unread
from consent.pages.custody import Custody
from consent.pages.page import Page, login
from consent.registry import Registry


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions, custody: Custody) -> list[Route]:
    pages = Overview(registry, renderer, citizens, custody)
    return [
        Route("/", pages.home, methods=["GET"]),
        Route("/my", pages.overview, methods=["GET"]),
    ]


class Overview(Page):
    def __init__(self, registry: Registry, renderer: Renderer, citizens: CitizenSessions, custody: Custody) -> None:
        super().__init__(registry, renderer, citizens)
        self._custody = custody

    async def home(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        catalogue = await self.registry.catalogue()
        services = [(purpose, catalogue.agencies[purpose.agency]) for purpose in catalogue.purposes.values()]
        return self.renderer.page(request, "home.html", person=person, services=services)

    async def overview(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        catalogue = await self.registry.catalogue()
        answers = await unread(self.registry, person.citizen)
        children = [
            (child, path, len(await self.registry.asked(child.citizen)))
            for child, path in await self._custody.children(person.citizen)
        ]
        told = {**await self.newest(person.citizen), "answers": answers, "children": children}
        return self.page(request, "overview.html", person, catalogue, **told)
