"""Answering what an agency lodged: the asking page, purpose by purpose, and then back to the agency."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import read_form
from base.i18n import N_, text
from base.people import OWN, Child, CitizenSessions, LoggedIn
from base.problems import Problem
from base.render import Renderer
from base.web import form_action_source
from consent.interface import Question, QuestionChanged
from consent.lodging import LINKS, PATH, Lodged, Lodging

CHOOSE = N_("%(data)s: choose “Allow” or “Do not allow”.")


class Wards(Protocol):
    """Whose requests somebody may answer besides his own (consent.pages.custody)."""

    async def children(self, guardian: str) -> list[tuple[Child, str]]:
        """With the address of each one's pages."""
        ...


def links(lodging: Lodging, citizens: CitizenSessions, wards: Wards) -> Route:
    async def follow(request: Request) -> Response:
        """The agency's link. To whoever may not answer it, and once it is over, it is as unknown as any."""
        person = await citizens.current(request)
        if person is None:
            return _login(request)
        link = request.path_params["link"]
        own = [(Child(person.citizen, person.display_name), OWN)]
        for who, where in own + await wards.children(person.citizen):
            found = await lodging.by_link(link, who.citizen)
            if found is not None:
                return RedirectResponse(_path(where, found), 303)
        raise Problem(404)

    return Route(f"{LINKS}/{{link}}", follow, methods=["GET"])


def routes(lodging: Lodging, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    page = Asked(lodging, renderer, citizens)
    return [
        Route(f"{PATH}/{{request}}", page.show, methods=["GET"]),
        Route(f"{PATH}/{{request}}", page.answer, methods=["POST"]),
    ]


class Asked:
    def __init__(self, lodging: Lodging, renderer: Renderer, citizens: CitizenSessions) -> None:
        self._lodging = lodging
        self._renderer = renderer
        self._citizens = citizens

    async def show(self, request: Request) -> Response:
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        one, question = await self._open(request, person)
        if question is None:
            return _back(one)
        if not person.is_of_age:
            return self._too_young(request, person, one, question)
        return self._page(request, person, one, question)

    async def answer(self, request: Request) -> Response:
        # Whole before it is asked who sends it: a guardian must be one at the moment of the act.
        form = await read_form(request)
        person = await self._citizens.current(request)
        if person is None:
            return _login(request)
        self._renderer.check_form(request, form, bound_to=person.session_digest)
        one, question = await self._open(request, person)
        if question is None:
            return _back(one)
        if form.get("stop"):
            await self._lodging.close(one)
            return _back(one)
        if not person.is_of_age:
            return self._too_young(request, person, one, question)
        language = self._renderer.language(request)
        # What was shown must be what is recorded: if the question changed meanwhile, it is shown anew.
        if form.get("notice") != question.notice_hash(language):
            return self._page(request, person, one, question)
        answers = {item.category: form.get(item.category, "") for item in question.items}
        _ = self._renderer.translator(request)
        errors = {
            item.category: _(CHOOSE) % {"data": text(item.name, language)}
            for item in question.items
            if answers[item.category] not in ("allow", "deny")
        }
        if errors:
            return self._page(request, person, one, question, answers=answers, errors=errors)
        given = {name: value == "allow" for name, value in answers.items()}
        # Changed while he was reading: it is asked anew, and nothing was recorded.
        with suppress(QuestionChanged):
            await self._lodging.answer(one, question, given, language, person.guardian)
        return RedirectResponse(_path(person.my, one), 303)

    async def _open(self, request: Request, person: LoggedIn) -> tuple[Lodged, Question | None]:
        found = await self._lodging.open(request.path_params["request"], person.citizen)
        if found is None:
            raise Problem(404)
        return found

    def _too_young(self, request: Request, person: LoggedIn, one: Lodged, question: Question) -> Response:
        """There is nothing to allow: a guardian decides, on pages of his own (GDPR art. 8)."""
        return self._renderer.page(
            request,
            "too_young.html",
            403,
            person=person,
            form_action=[form_action_source(one.callback)],
            here=_path(person.my, one),
            lodged=one,
            question=question,
        )

    def _page(
        self,
        request: Request,
        person: LoggedIn,
        one: Lodged,
        question: Question,
        *,
        answers: dict[str, str] | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        return self._renderer.page(
            request,
            "lodged.html",
            400 if errors else 200,
            person=person,
            form_action=[form_action_source(one.callback)],
            here=_path(person.my, one),
            lodged=one,
            question=question,
            notice=question.notice_hash(self._renderer.language(request)),
            answers=answers or {},
            errors=errors or {},
        )


def _path(where: str, one: Lodged) -> str:
    """`where`: the pages of whom it is about, as who answers has them."""
    return f"{where}{PATH.removeprefix(OWN)}/{one.id}"


def _back(one: Lodged) -> Response:
    """To the agency, with the request's id and nothing else."""
    joint = "&" if "?" in one.callback else "?"
    return RedirectResponse(f"{one.callback}{joint}{urlencode({'request': one.id})}", 303)


def _login(request: Request) -> Response:
    return RedirectResponse(f"/login?{urlencode({'to': request.url.path})}", 303)
