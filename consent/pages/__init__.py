"""The citizen's pages on consent: services, overview, consents, withdrawing, who used my data, receipts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.i18n import N_
from base.people import CitizenSessions, LoggedIn
from base.problems import Problem
from base.render import Renderer
from consent.catalogue import Catalogue
from consent.errors import BadCursor
from consent.registry import Filter, Record, Registry

PAGE = 25

STATES = {
    "given": ("ok", N_("Active")),
    "refused": ("denied", N_("Refused by you")),
    "withdrawn": ("ended", N_("Withdrawn by you")),
    "used": ("ended", N_("Used: it was for one time")),
    "expired": ("ended", N_("Expired")),
    "replaced": ("ended", N_("Replaced by a newer answer")),
}
REASONS = {
    "consent": N_("You gave permission"),
    "contract": N_("A contract with you"),
    "legal_obligation": N_("A legal obligation"),
    "vital_interest": N_("A vital interest"),
    "public_task": N_("A public task"),
    "legitimate_interest": N_("A legitimate interest"),
    "no_consent": N_("You did not give permission"),
    "refused": N_("You refused this"),
    "withdrawn": N_("You withdrew your permission"),
    "expired": N_("Your permission had expired"),
    "used": N_("Your permission was for one time, and that was used"),
    "changed": N_("The purpose has changed since you gave permission"),
    "unknown_purpose": N_("The purpose is not in the register"),
    "not_in_purpose": N_("This data does not belong to the purpose"),
    "other_source": N_("This organisation is not the source of the data"),
    "too_often": N_("The purpose was used as often as it may be"),
    "unreconciled": N_("The register was being checked: nothing was allowed"),
}
BASES = {
    "consent": N_("Your permission"),
    "contract": N_("Contract"),
    "legal_obligation": N_("Legal obligation"),
    "vital_interest": N_("Vital interest"),
    "public_task": N_("Public task"),
    "legitimate_interest": N_("Legitimate interest"),
    "": N_("None"),
}


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = Pages(registry, renderer, citizens)
    return [
        Route("/", pages.home, methods=["GET"]),
        Route("/my", pages.overview, methods=["GET"]),
        Route("/my/consents", pages.consents, methods=["GET"]),
        Route("/my/consents/{consent}", pages.consent, methods=["GET"]),
        Route("/my/consents/{consent}/withdraw", pages.confirm, methods=["GET"]),
        Route("/my/consents/{consent}/withdraw", pages.withdraw, methods=["POST"]),
        Route("/my/agencies/{agency}/withdraw", pages.confirm_agency, methods=["GET"]),
        Route("/my/agencies/{agency}/withdraw", pages.withdraw_agency, methods=["POST"]),
        Route("/my/history", pages.history, methods=["GET"]),
        Route("/my/receipts/{receipt}", pages.receipt, methods=["GET"]),
    ]


class Pages:
    def __init__(self, registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> None:
        self._registry = registry
        self._renderer = renderer
        self._citizens = citizens

    async def home(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        catalogue = await self._registry.catalogue()
        services = [(purpose, catalogue.agencies[purpose.agency]) for purpose in catalogue.purposes.values()]
        return self._renderer.page(request, "home.html", person=person, services=services)

    async def overview(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        records = await self._registry.consents(person.citizen)
        given = sum(1 for one in records if self.state(one) == "given")
        uses = (await self._registry.history(person.citizen, limit=3)).uses
        catalogue = await self._registry.catalogue()
        return self._page(request, "overview.html", person, catalogue, given=given, uses=uses)

    async def consents(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        query = parse_query(request)
        wanted, stopped = query.get("show", ""), query.get("stopped")
        records = await self._registry.consents(person.citizen)
        rows = [(one, self.state(one)) for one in records]
        if wanted == "active":
            rows = [row for row in rows if row[1] == "given"]
        last = await self._registry.last_uses(person.citizen)
        if any(row.agency == stopped and state == "given" for row, state in rows):
            stopped = None
        catalogue = await self._registry.catalogue()
        return self._page(
            request, "consents.html", person, catalogue, rows=rows, last=last, show=wanted, stopped=stopped
        )

    async def consent(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        record = await self._mine(request, person)
        events = await self._registry.events(record.id)
        catalogue = await self._registry.catalogue()
        return self._page(
            request,
            "consent.html",
            person,
            catalogue,
            record=record,
            state=self.state(record),
            events=events,
            withdrawn="withdrawn" in parse_query(request),
            under_way=await self._registry.under_way(record.id, person.citizen),
        )

    async def confirm(self, request: Request) -> Response:
        """What withdrawing means, before it is done."""
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        record = await self._mine(request, person)
        if self.state(record) != "given":
            return RedirectResponse(f"/my/consents/{record.id}", 303)
        return self._page(request, "withdraw.html", person, await self._registry.catalogue(), record=record)

    async def withdraw(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        form = await read_form(request)
        self._renderer.check_form(request, form, bound_to=person.session_digest)
        record = await self._mine(request, person)
        # Done before, or expired: the answer is the same, it has ended.
        await self._registry.withdraw(record.id, person.citizen)
        return RedirectResponse(f"/my/consents/{record.id}?withdrawn=1", 303)

    async def confirm_agency(self, request: Request) -> Response:
        """All that one organisation gets with the citizen's permission, before it is stopped."""
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        agency = request.path_params["agency"]
        records = [one for one in await self._registry.consents(person.citizen) if one.agency == agency]
        active = [one for one in records if self.state(one) == "given"]
        if not records:
            raise Problem(404)
        if not active:
            return RedirectResponse("/my/consents", 303)
        catalogue = await self._registry.catalogue()
        return self._page(request, "withdraw_agency.html", person, catalogue, agency=agency, records=active)

    async def withdraw_agency(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        form = await read_form(request)
        self._renderer.check_form(request, form, bound_to=person.session_digest)
        agency = request.path_params["agency"]
        await self._registry.withdraw_agency(agency, person.citizen)
        return RedirectResponse(f"/my/consents?{urlencode({'stopped': agency})}", 303)

    async def history(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        query = parse_query(request)
        agency, decision = query.get("agency") or None, query.get("decision") or None
        wanted = Filter(agency=agency, decision=decision)
        try:
            page = await self._registry.history(person.citizen, before=query.get("before"), limit=PAGE, wanted=wanted)
        except BadCursor:
            raise Problem(400) from None
        catalogue = await self._registry.catalogue()
        recipients = await self._registry.recipients(person.citizen)
        return self._page(
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

    async def receipt(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        receipt_id = request.path_params["receipt"]
        file = await self._registry.receipt_file(receipt_id, person.citizen)
        if file is None:
            raise Problem(404)
        name = f'attachment; filename="receipt-{receipt_id}.json"'
        return Response(file, headers={"content-type": "application/json", "content-disposition": name})

    def state(self, record: Record) -> str:
        """How a record stands now; expiry is decided at this moment."""
        if record.state != "given":
            return record.state
        if not record.current:
            return "replaced"
        expired = record.expires_at is None or self._registry.clock.now() >= record.expires_at
        return "expired" if expired else "given"

    async def _mine(self, request: Request, person: LoggedIn) -> Record:
        record = await self._registry.consent(request.path_params["consent"], person.citizen)
        if record is None:
            raise Problem(404)
        return record

    def _page(
        self, request: Request, template: str, person: LoggedIn, catalogue: Catalogue, **context: Any
    ) -> Response:
        return self._renderer.page(
            request,
            template,
            person=person,
            catalogue=catalogue,
            STATES=STATES,
            REASONS=REASONS,
            BASES=BASES,
            **context,
        )


def _login(request: Request) -> Response:
    """To the login page and back here."""
    return RedirectResponse(f"/login?to={request.url.path}", 303)
