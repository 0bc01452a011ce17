"""Complaining about a use, or asking to delete, from its line in the history; and what the organisation answered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import Form, parse_query, read_form
from base.i18n import N_
from base.people import CitizenSessions, LoggedIn
from base.problems import Problem
from base.render import Renderer
from consent.complaining import KINDS, MOST_TEXT, About, Complaints, TooManyOpen, readable
from consent.pages.page import Page, login
from consent.registry import Registry

PATH = "/my/complaints"
NEW = "/my/history/{leaf}/complaint"
CHOOSE = N_("Choose what you ask: a complaint, or to delete your data.")
SAY = N_("Write what is wrong. Without that the organisation cannot answer.")
LONG = N_("This is too long. Write at most 2,000 characters.")
MANY = N_("You asked this organisation twenty things that it has not answered yet. Wait for an answer first.")
SUBJECTS = {"complaint": N_("Complaint"), "erasure": N_("Request to delete")}
STATES = {
    "sent": ("info", N_("Sent")),
    "seen": ("info", N_("Seen by the organisation")),
    "answered": ("info", N_("The organisation answered")),
}
OUTCOMES = {
    "done": N_("The organisation says: we did what you ask."),
    "partly": N_("The organisation says: we did a part of what you ask."),
    "declined": N_("The organisation says: we do not do what you ask."),
}


def routes(registry: Registry, complaints: Complaints, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    page = Complaining(registry, complaints, renderer, citizens)
    return [
        Route(NEW, page.ask, methods=["GET"]),
        Route(NEW, page.send, methods=["POST"]),
        Route(PATH, page.mine_all, methods=["GET"]),
        Route(f"{PATH}/{{complaint}}", page.show, methods=["GET"]),
    ]


class Complaining(Page):
    def __init__(
        self, registry: Registry, complaints: Complaints, renderer: Renderer, citizens: CitizenSessions
    ) -> None:
        super().__init__(registry, renderer, citizens)
        self.complaints = complaints

    async def ask(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        return await self._form(request, person, await self._use(request, person), {}, {})

    async def send(self, request: Request) -> Response:
        # Whole before it is asked who sends it: a guardian must be one at the moment of the act.
        form = await read_form(request)
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        self.renderer.check_form(request, form, bound_to=person.session_digest)
        use = await self._use(request, person)
        errors = _wrong(form)
        if not errors:
            try:
                wrote = (form["kind"], form.get("text", ""), person.guardian)
                sent = await self.complaints.send(person.citizen, use.leaf, *wrote)
            except TooManyOpen:
                errors = {"": MANY}
            else:
                return RedirectResponse(f"{person.my}/complaints/{sent}?sent=1", 303)
        return await self._form(request, person, use, form, errors)

    async def mine_all(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        rows = await self.complaints.of_citizen(person.citizen, person.guardian)
        return await self._told(request, person, "complaints.html", rows=rows)

    async def show(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        found = await self.complaints.one(request.path_params["complaint"], person.citizen, person.guardian)
        if found is None:
            raise Problem(404)
        use = await self.complaints.use(found.stored.leaf, person.citizen)
        sent = "sent" in parse_query(request)
        return await self._told(request, person, "complaint.html", one=found, use=use, sent=sent)

    async def _told(self, request: Request, person: LoggedIn, template: str, **context: object) -> Response:
        return self.page(
            request,
            template,
            person,
            await self.registry.catalogue(),
            now=self.registry.clock.now(),
            SUBJECTS=SUBJECTS,
            COMPLAINT_STATES=STATES,
            OUTCOMES=OUTCOMES,
            **context,
        )

    async def _use(self, request: Request, person: LoggedIn) -> About:
        found = await self.complaints.use(request.path_params["leaf"], person.citizen)
        if found is None:
            raise Problem(404)
        return found

    async def _form(
        self, request: Request, person: LoggedIn, use: About, form: Form | dict[str, str], errors: dict[str, str]
    ) -> Response:
        _ = self.renderer.translator(request)
        return self.page(
            request,
            "complain.html",
            person,
            await self.registry.catalogue(),
            status=400 if errors else 200,
            use=use,
            kind=form.get("kind"),
            text=form.get("text", "")[: MOST_TEXT + 1],
            most=MOST_TEXT,
            errors={name: _(said) for name, said in errors.items()},
        )


def _wrong(form: Form) -> dict[str, str]:
    errors = {}
    text = form.get("text", "")
    if form.get("kind") not in KINDS:
        errors["kind"] = CHOOSE
    if form.get("kind") != "erasure" and not readable(text):
        errors["text"] = SAY
    # A browser counts a line's end as one character, and sends two.
    if len(text.replace("\r\n", "\n")) > MOST_TEXT:
        errors["text"] = LONG
    return errors
