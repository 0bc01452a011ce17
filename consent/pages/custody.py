"""The pages of a child, for its guardian: the same as everybody's, below an address that serves him alone.

The register is asked at each request, and after a form has arrived whole. The address of nobody, of another's child, and
of a child that is no longer his or decides for itself, get the same answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.people import OWN, Acting, Child, CitizenSessions, Guardians, LoggedIn
from base.render import Renderer
from consent.complaining import Complaints, unread
from consent.lodging import Lodging
from consent.pages import checking, complaining, consents, everything, history, lodged, receipts, withdrawing
from consent.pages.page import Page, login
from consent.registry import Registry
from keys.derive import Pseudonyms
from keys.digest import b64encode

CHILD = f"{OWN}/children/{{child}}"
_LENGTH = 22
Handler = Callable[[Request], Awaitable[Response]]


class NoCustody(Exception):
    """This person acts for nobody at this address, now."""


@dataclass(frozen=True, slots=True)
class Custody:
    """The sessions of guardians, as the pages of a child know them (base.people.CitizenSessions)."""

    pseudonyms: Pseudonyms
    citizens: CitizenSessions
    guardians: Guardians

    async def children(self, guardian: str) -> list[tuple[Child, str]]:
        """With the address of each one's pages."""
        return [(one, self._path(guardian, one)) for one in await self.guardians.children(guardian)]

    async def current(self, request: Request) -> LoggedIn | None:
        """As the child, with the name of who is logged in. NoCustody."""
        person = await self.citizens.current(request)
        if person is None:
            return None
        path = CHILD.format(child=request.path_params["child"])
        for child, where in await self.children(person.citizen):
            if where == path:
                return replace(person, citizen=child.citizen, acting=Acting(person.citizen, child.name, path))
        raise NoCustody

    def _path(self, guardian: str, child: Child) -> str:
        """It says nothing of the child, and another guardian of the same child has another."""
        code = self.pseudonyms.mac("child of guardian", f"{guardian}{child.citizen}".encode())
        return CHILD.format(child=b64encode(code)[:_LENGTH])


def routes(
    registry: Registry,
    complaints: Complaints,
    lodging: Lodging,
    renderer: Renderer,
    citizens: CitizenSessions,
    custody: Custody,
) -> list[Route]:
    page = ChildPage(registry, renderer, custody)
    parts = (consents, history, receipts, checking, everything)
    below = [one for part in parts for one in part.routes(registry, renderer, custody)]
    below += withdrawing.routes(registry, complaints, renderer, custody)
    below += complaining.routes(registry, complaints, renderer, custody)
    below += lodged.routes(lodging, renderer, custody)
    found = [Route(OWN, page.overview, methods=["GET"]), *below]
    return [_of_child(one, renderer, citizens) for one in found]


def _of_child(route: Route, renderer: Renderer, citizens: CitizenSessions) -> Route:
    handler: Handler = route.endpoint

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except NoCustody:
            person = await citizens.current(request)
            return renderer.page(request, "no_custody.html", 404, person=person, here=OWN)

    return Route(f"{CHILD}{route.path.removeprefix(OWN)}", guarded, methods=list(route.methods or ()))


class ChildPage(Page):
    async def overview(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        asked = await self.registry.asked(person.citizen)
        waiting = [(one, f"{person.my}{one.path.removeprefix(OWN)}") for one in asked]
        told = {**await self.newest(person.citizen), "waiting": waiting}
        told["answers"] = await unread(self.registry, person.citizen, person.guardian)
        return self.page(request, "child.html", person, await self.registry.catalogue(), **told)
