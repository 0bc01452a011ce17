"""prompt=select_account: go on as who is logged in here, or log in as someone else (OpenID Connect Core section 3.1.2.1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.problems import Problem
from idp import requests
from idp.context import Context
from idp.endpoints.authorize import resume


def routes(context: Context) -> list[Route]:
    async def show(request: Request) -> Response:
        handle = parse_query(request).get("request", "")
        found, session = await context.pending(request, handle), await context.session(request)
        if found is None:
            raise Problem(400)
        if session is None:
            return resume(handle)
        person = context.renderer_person(session)
        agency = found[1].shown_name(context.renderer.language(request))
        return context.renderer.page(request, "select.html", person=person, handle=handle, agency=agency)

    async def choose(request: Request) -> Response:
        form = await read_form(request)
        handle = form.get("request", "")
        found, session = await context.pending(request, handle), await context.session(request)
        if found is None:
            raise Problem(400)
        if session is None:
            return resume(handle)
        context.renderer.check_form(request, form, bound_to=session.digest)
        await context.database.write(lambda c: requests.confirm(c, found[0], session))
        return resume(handle)

    return [Route("/select", show, methods=["GET"]), Route("/select", choose, methods=["POST"])]
