"""Stopping everything: one page that says what stops and what does not, one button, one commit, a receipt of each."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.people import CitizenSessions
from base.render import Renderer
from consent.pages.page import login
from consent.registry import Record, Registry

PATH = "/my/withdraw-everything"


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    page = Everything(registry, renderer, citizens)
    return [Route(PATH, page.confirm, methods=["GET"]), Route(PATH, page.withdraw, methods=["POST"])]


class Everything:
    def __init__(self, registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> None:
        self._registry = registry
        self._renderer = renderer
        self._citizens = citizens

    async def confirm(self, request: Request) -> Response:
        """What stops; and, when it was done, what stopped by it, each with its receipt."""
        person = await self._citizens.current(request)
        if person is None:
            return login(request)
        records = await self._registry.consents(person.citizen)
        now = self._registry.clock.now()
        given = [one for one in records if one.current and one.state == "given" and not _is_over(one, now)]
        stopped = _stopped_last(records) if "done" in parse_query(request) and not given else []
        if not given and not stopped:
            return RedirectResponse(f"{person.my}/consents", 303)
        return self._renderer.page(
            request,
            "everything.html",
            person=person,
            catalogue=await self._registry.catalogue(),
            records=given or stopped,
            done=bool(stopped),
        )

    async def withdraw(self, request: Request) -> Response:
        # Whole before it is asked who sends it: a guardian must be one at the moment of the act.
        form = await read_form(request)
        person = await self._citizens.current(request)
        if person is None:
            return login(request)
        self._renderer.check_form(request, form, bound_to=person.session_digest)
        await self._registry.withdraw_all(person.citizen, guardian=person.guardian)
        return RedirectResponse(f"{request.url.path}?done=1", 303)


def _is_over(record: Record, now: datetime) -> bool:
    return record.expires_at is None or now >= record.expires_at


def _stopped_last(records: list[Record]) -> list[Record]:
    """What one act stopped has one moment, to the microsecond."""
    ended = [one for one in records if one.state == "withdrawn" and one.ended_at is not None]
    newest = max((one.ended_at for one in ended if one.ended_at is not None), default=None)
    return [one for one in ended if one.ended_at == newest]
