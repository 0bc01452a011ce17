"""Withdrawing one consent, or all that one organisation has: what it means, then the act."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import read_form
from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent.complaining import Complaints, TooManyOpen
from consent.pages.page import Page, login
from consent.registry import Record, Registry


def routes(registry: Registry, complaints: Complaints, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = Withdrawing(registry, complaints, renderer, citizens)
    return [
        Route("/my/consents/{consent}/withdraw", pages.confirm, methods=["GET"]),
        Route("/my/consents/{consent}/withdraw", pages.withdraw, methods=["POST"]),
        Route("/my/agencies/{agency}/withdraw", pages.confirm_agency, methods=["GET"]),
        Route("/my/agencies/{agency}/withdraw", pages.withdraw_agency, methods=["POST"]),
    ]


class Withdrawing(Page):
    def __init__(
        self, registry: Registry, complaints: Complaints, renderer: Renderer, citizens: CitizenSessions
    ) -> None:
        super().__init__(registry, renderer, citizens)
        self.complaints = complaints

    async def confirm(self, request: Request) -> Response:
        """What withdrawing means, before it is done."""
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        record = await self.mine(request, person)
        if self.state(record) != "given":
            return RedirectResponse(f"{person.my}/consents/{record.id}", 303)
        used = await self.complaints.last_use(record) is not None
        return self.page(request, "withdraw.html", person, await self.registry.catalogue(), record=record, used=used)

    async def withdraw(self, request: Request) -> Response:
        # Whole before it is asked who sends it: a guardian must be one at the moment of the act.
        form = await read_form(request)
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        self.renderer.check_form(request, form, bound_to=person.session_digest)
        record = await self.mine(request, person)
        # Done before, or expired: the answer is the same, it has ended.
        await self.registry.withdraw(record.id, person.citizen, guardian=person.guardian)
        deletion = await self._ask_to_delete(record, person.guardian) if form.get("delete") else ""
        return RedirectResponse(
            f"{person.my}/consents/{record.id}?{urlencode({'withdrawn': 1, 'deletion': deletion})}", 303
        )

    async def _ask_to_delete(self, record: Record, guardian: str) -> str:
        """sent, many (too much waits there for an answer), or nothing when nothing was ever used."""
        leaf = await self.complaints.last_use(record)
        if leaf is None:
            return ""
        try:
            await self.complaints.send(record.citizen, leaf, "erasure", "", guardian)
        except TooManyOpen:
            return "many"
        return "sent"

    async def confirm_agency(self, request: Request) -> Response:
        """All that one organisation gets with the citizen's permission, before it is stopped."""
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        agency = request.path_params["agency"]
        records = [one for one in await self.registry.consents(person.citizen) if one.agency == agency]
        active = [one for one in records if self.state(one) == "given"]
        if not records:
            raise Problem(404)
        if not active:
            return RedirectResponse(f"{person.my}/consents", 303)
        catalogue = await self.registry.catalogue()
        return self.page(request, "withdraw_agency.html", person, catalogue, agency=agency, records=active)

    async def withdraw_agency(self, request: Request) -> Response:
        # Whole before it is asked who sends it: a guardian must be one at the moment of the act.
        form = await read_form(request)
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        self.renderer.check_form(request, form, bound_to=person.session_digest)
        agency = request.path_params["agency"]
        await self.registry.withdraw_agency(agency, person.citizen, guardian=person.guardian)
        return RedirectResponse(f"{person.my}/consents?{urlencode({'stopped': agency})}", 303)
