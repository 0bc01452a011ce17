"""GET and POST /oauth2/logout: RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), and /logout for our own pages.

Without a hint that names this citizen's very session the citizen is asked: nobody can log another out by a link. The
agencies that were used are told: by frames in the goodbye page (Front-Channel Logout 1.0), and by the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_form
from base.problems import Problem
from idp import ending, leaving, logouts
from idp.clients import Client
from idp.context import Context
from idp.endpoints.discovery import LOGOUT
from idp.leaving import Asked
from idp.sessions import Left

CLEAR = {"clear-site-data": '"cache", "storage"'}
"""Not cookies: the language, and which browser this is, say nothing of who was logged in."""


def routes(context: Context) -> list[Route]:
    endpoint = Logout(context)
    return [
        Route(LOGOUT, endpoint.asked, methods=["GET", "POST"]),
        Route("/logout", endpoint.confirmed, methods=["POST"]),
    ]


class Logout:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def asked(self, request: Request) -> Response:
        """By an agency, for its citizen."""
        context, now = self._context, self._context.now()
        form = await read_form(request) if request.method == "POST" else parse_query(request)
        if any(len(form.get(name, "")) > most for name, most in leaving.LENGTHS.items()):
            raise Problem(400)
        if request.method == "POST" and context.cookies.read(request, context.cookies.session) is None:
            return _again(form)
        left, session = await context.left(request), await context.session(request)
        asked = await context.database.read(
            lambda c: leaving.read(c, context.ring, form, left, issuer=context.issuer, now=now)
        )
        if left is not None and asked.is_proven:
            return await self._end(request, left, asked)
        if session is None:
            # A session that is too old is ended by who can prove it alone: a link must not end what it gave.
            return self._done(request, asked, [], [], onward=asked.is_hinted)
        used = await context.database.read(lambda c: logouts.clients_of(c, session.id))
        return context.renderer.page(
            request,
            "logout.html",
            person=context.renderer_person(session),
            locales=asked.locales,
            asked=asked,
            **self._named(request, asked, used),
        )

    async def confirmed(self, request: Request) -> Response:
        """By the citizen, from a page of ours."""
        context = self._context
        form = await read_form(request)
        left = await context.left(request)
        if left is None:
            return self._done(request, Asked(), [], [], onward=False)
        context.renderer.check_form(request, form, bound_to=left.digest)
        asked = await context.database.read(lambda c: leaving.confirmed(c, form))
        return await self._end(request, left, asked)

    async def _end(self, request: Request, left: Left, asked: Asked) -> Response:
        context, now, citizen = self._context, self._context.now(), left.citizen_id

        def unit(connection: Connection) -> list[Client]:
            ending.end(connection, context.ring, left.id, citizen, now, actor=citizen)
            return logouts.clients_of(connection, left.id)

        used = await context.database.write(unit, vital=True)
        frames = logouts.frames(context.ring, context.issuer, left.id, used)
        return self._done(request, asked, used, frames, onward=True)

    def _done(self, request: Request, asked: Asked, used: list[Client], frames: list[str], *, onward: bool) -> Response:
        """Onward, where that is proven or confirmed and nobody has to be told by this browser; else the goodbye page."""
        context = self._context
        if asked.target is not None and onward and not frames:
            response: Response = RedirectResponse(asked.target, 303, CLEAR)
        else:
            response = context.renderer.page(
                request,
                "logged_out.html",
                frame_src=[logouts.origin(one) for one in frames],
                headers=CLEAR,
                locales=asked.locales,
                here=LOGOUT,
                target=asked.target,
                onward=onward,
                frames=frames,
                **self._named(request, asked, used),
            )
        context.cookies.clear(response, context.cookies.session)
        return response

    def _named(self, request: Request, asked: Asked, used: list[Client]) -> dict[str, Any]:
        """Who hears that the session has ended, who does not, and who asked."""
        language = self._context.renderer.language(request, asked.locales)
        told = [client for client in used if logouts.is_told(client)]
        return {
            "told": logouts.names(told, language),
            "untold": logouts.names((one for one in used if one not in told), language),
            "agency": logouts.name(asked.client, language) if asked.client is not None else "",
        }


def _again(form: Mapping[str, str]) -> Response:
    """A form from another site comes without our cookie (SameSite); the browser is sent here once more, and brings it."""
    query = urlencode({name: form[name] for name in leaving.LENGTHS if name in form})
    return RedirectResponse(f"{LOGOUT}?{query}", 303)
