"""Before what began elsewhere goes on: who asks, what, and whether it was really this citizen who began it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.problems import Problem
from idp import requests
from idp.clients import SOFTWARE, Client
from idp.context import Context
from idp.endpoints import ending, steps
from idp.endpoints.authorize import resume
from idp.errors import OAuthError
from idp.requests import Pending
from idp.sessions import Session


def routes(context: Context) -> list[Route]:
    page = Confirm(context)
    return [Route("/confirm", page.show, methods=["GET"]), Route("/confirm", page.answer, methods=["POST"])]


class Confirm:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        handle = parse_query(request).get("request", "")
        pending, client, session = await self._open(request, handle)
        if session is None:
            return resume(handle)
        context, one = self._context, pending.decoupled
        assert one is not None
        return context.renderer.page(
            request,
            "confirm.html",
            person=context.renderer_person(session),
            handle=handle,
            agency=client.shown_name(context.renderer.language(request)),
            by_software=client.registered_by == SOFTWARE,
            kind=one.kind,
            user_code=pending.parameters.get("user_code", ""),
            binding_message=pending.parameters.get("binding_message", ""),
            asked_at=one.created_at,
            questions=await steps.all_asked(context, pending, client, session),
        )

    async def answer(self, request: Request) -> Response:
        form = await read_form(request)
        handle = form.get("request", "")
        pending, client, session = await self._open(request, handle)
        if session is None:
            return resume(handle)
        context = self._context
        context.renderer.check_form(request, form, bound_to=session.digest)
        if form.get("answer") != "yes":
            error = OAuthError("access_denied", "The citizen did not begin this, or does not want it.")
            return await ending.refused(context, request, pending, client, session, error)
        await context.database.write(lambda c: requests.confirm(c, pending, session))
        return resume(handle)

    async def _open(self, request: Request, handle: str) -> tuple[Pending, Client, Session | None]:
        """As far as this citizen may see it: what was asked of another one goes back to where that is decided."""
        found, session = await self._context.pending(request, handle), await self._context.session(request)
        if found is None or found[0].decoupled is None:
            raise Problem(400)
        if session is not None and not await steps.is_meant(self._context, *found, session):
            session = None
        return *found, session
