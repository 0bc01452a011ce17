"""Where I am logged in, at which services, and ending it: one session, or all others."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_form
from idp import ending, logouts, sessions
from idp.context import Context
from idp.pages.security import log_in
from idp.sessions import StoredSession


def routes(context: Context) -> list[Route]:
    async def show(request: Request) -> Response:
        session = await context.session(request)
        if session is None:
            return log_in(request)
        now, citizen, language = context.now(), session.citizen_id, context.renderer.language(request)

        def unit(connection: Connection) -> list[tuple[StoredSession, list[str]]]:
            mine = sessions.of(connection, context.settings, citizen, now)
            return [(one, logouts.names(logouts.clients_of(connection, one.id), language)) for one in mine]

        found = await context.database.read(unit)
        return context.renderer.page(
            request,
            "sessions.html",
            person=context.renderer_person(session),
            said=next(iter(parse_query(request)), ""),
            sessions=found,
            current=session.id,
        )

    async def end(request: Request) -> Response:
        form = await read_form(request)
        session = await context.session(request)
        if session is None:
            return log_in(request)
        context.renderer.check_form(request, form, bound_to=session.digest)
        now, wanted, citizen = context.now(), form.get("session", ""), session.citizen_id

        def unit(connection: Connection) -> None:
            if wanted == "others":
                ending.end_all(connection, context.ring, citizen, now, actor=citizen, but=session.id)
            else:
                ending.end(connection, context.ring, wanted, citizen, now, actor=citizen)

        await context.database.write(unit, vital=True)
        return RedirectResponse("/my/sessions?ended=1", 303)

    return [Route("/my/sessions", show, methods=["GET"]), Route("/my/sessions/end", end, methods=["POST"])]
