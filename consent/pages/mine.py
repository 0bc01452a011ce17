"""What is kept of me: a page that tells it, and the files to take along (GDPR art. 15 and 20)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from base.people import FRESH, Accounts, CitizenSessions, LoggedIn
from base.render import Renderer
from consent.complaining import Complaints
from consent.export import document, readable
from consent.export.content import Export
from consent.export.mentioned import Mentioned
from consent.pages.page import Page, login
from consent.registry import Registry
from keys.ring import Ring

PATH = "/my/data"


def routes(
    registry: Registry,
    complaints: Complaints,
    ring: Ring,
    issuer: str,
    renderer: Renderer,
    citizens: CitizenSessions,
    accounts: Accounts,
) -> list[Route]:
    page = Mine(registry, renderer, citizens)

    async def fresh(request: Request) -> LoggedIn | None:
        """All of somebody at once is more than a screen that was left unlocked may give away."""
        person = await citizens.current(request)
        return person if person is not None and registry.clock.now() < person.auth_time + FRESH else None

    async def as_json(request: Request) -> Response:
        person = await fresh(request)
        if person is None:
            return _login()
        export = Export(registry, ring, issuer, accounts, person.citizen, Mentioned(), complaints)
        return StreamingResponse(document.stream(export), headers=_file(registry, "json", "application/json"))

    async def as_pdf(request: Request) -> Response:
        person = await fresh(request)
        if person is None:
            return _login()
        export = Export(registry, ring, issuer, accounts, person.citizen, Mentioned(), complaints, proven=False)
        told = readable.stream(export, renderer.translator(request), renderer.language(request))
        return StreamingResponse(told, headers=_file(registry, "pdf", "application/pdf"))

    return [
        Route(PATH, page.show, methods=["GET"]),
        Route(f"{PATH}.json", as_json, methods=["GET"]),
        Route(f"{PATH}.pdf", as_pdf, methods=["GET"]),
    ]


class Mine(Page):
    async def show(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        return self.page(request, "mine.html", person, await self.registry.catalogue())


def _login() -> Response:
    """Back to the page that offers the files: a browser that got a file would stay where it was."""
    return RedirectResponse(f"/login?to={PATH}", 303)


def _file(registry: Registry, ending: str, kind: str) -> dict[str, str]:
    name = f"regie-{registry.clock.now():%Y-%m-%d}.{ending}"
    return {"content-type": kind, "content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
