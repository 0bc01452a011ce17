"""Having everything erased: what goes and what stays, then a second confirmation, in a login of the last minutes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import read_form
from base.i18n import N_
from base.people import FRESH, CitizenSessions, LoggedIn
from base.render import Renderer
from consent.erasing import Erasing
from consent.pages.page import Page
from consent.registry import Registry

PATH = "/my/erase"
CONFIRM = f"{PATH}/confirm"
DONE = "/erased"
TICK = N_("Tick the box if you are sure. If you are not, go back: nothing has changed.")


def routes(registry: Registry, erasing: Erasing, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    page = EraseMe(registry, erasing, renderer, citizens)
    return [
        Route(PATH, page.explain, methods=["GET"]),
        Route(CONFIRM, page.confirm, methods=["GET"]),
        Route(CONFIRM, page.erase, methods=["POST"]),
        Route(DONE, page.done, methods=["GET"]),
    ]


class EraseMe(Page):
    def __init__(self, registry: Registry, erasing: Erasing, renderer: Renderer, citizens: CitizenSessions) -> None:
        super().__init__(registry, renderer, citizens)
        self._erasing = erasing

    async def explain(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return _log_in(PATH)
        given = sum(1 for one in await self.registry.consents(person.citizen) if self.state(one) == "given")
        return self.renderer.page(request, "erase.html", person=person, given=given)

    async def confirm(self, request: Request) -> Response:
        """An unlocked screen is not enough: whoever comes here logs in first, unless he did a moment ago."""
        person = await self._fresh(request)
        return _log_in(CONFIRM) if person is None else self._asked(request, person, {})

    async def erase(self, request: Request) -> Response:
        person = await self._fresh(request)
        if person is None:
            return _log_in(CONFIRM)
        form = await read_form(request)
        self.renderer.check_form(request, form, bound_to=person.session_digest)
        if form.get("sure") != "yes":
            _ = self.renderer.translator(request)
            return self._asked(request, person, {"sure": _(TICK)})
        await self._erasing.erase(person.citizen)
        return RedirectResponse(DONE, 303)

    async def done(self, request: Request) -> Response:
        """Nobody is logged in here any more, and it says nothing of anybody."""
        return self.renderer.page(request, "erased.html")

    def _asked(self, request: Request, person: LoggedIn, errors: dict[str, str]) -> Response:
        return self.renderer.page(request, "erase_confirm.html", 400 if errors else 200, person=person, errors=errors)

    async def _fresh(self, request: Request) -> LoggedIn | None:
        person = await self.citizens.current(request)
        return person if person is not None and self.registry.clock.now() < person.auth_time + FRESH else None


def _log_in(to: str) -> Response:
    return RedirectResponse(f"/login?to={to}", 303)
