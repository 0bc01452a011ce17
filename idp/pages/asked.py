"""My requests: what agencies ask of a citizen: at this moment, outside his browser (CIBA), and what they lodged for him."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.ids import digest
from idp import decoupled, requests
from idp.clients import Client
from idp.context import Context
from idp.decoupled import CIBA, Decoupled
from idp.endpoints.authorize import resume
from idp.endpoints.ending import PAGES
from idp.sessions import Session

PATH = PAGES[CIBA]


def routes(context: Context) -> list[Route]:
    page = Requests(context)
    return [Route(PATH, page.show, methods=["GET"]), Route(PATH, page.open, methods=["POST"])]


class Requests:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        context = self._context
        session = await context.session(request)
        if session is None:
            return RedirectResponse(f"/login?to={PATH}", 303)
        return context.renderer.page(
            request,
            "requests.html",
            person=context.renderer_person(session),
            asked=await self._waiting(session),
            lodged=await context.registry.asked(context.ring.pseudonyms.handle(session.citizen_id)),
            said=next(iter(parse_query(request)), ""),
        )

    async def open(self, request: Request) -> Response:
        """Look at one: from here it goes on as a request of this browser."""
        context = self._context
        form = await read_form(request)
        session = await context.session(request)
        if session is None:
            return RedirectResponse(f"/login?to={PATH}", 303)
        context.renderer.check_form(request, form, bound_to=session.digest)
        wanted = form.get("asked", "")
        found = next((one for one, _ in await self._waiting(session) if one.digest == wanted), None)
        if found is None:
            # Answered elsewhere, or too late: the list says what is left.
            return RedirectResponse(PATH, 303)
        browser = context.browser(request)
        handle = await context.database.write(lambda c: requests.open_decoupled(c, found, None, digest(browser)))
        return context.keep_browser(resume(handle), browser)

    async def _waiting(self, session: Session) -> list[tuple[Decoupled, Client]]:
        context, now = self._context, self._context.now()
        citizen = context.ring.pseudonyms.handle(session.citizen_id)
        return await context.database.read(lambda c: decoupled.waiting_for(c, citizen, now))
