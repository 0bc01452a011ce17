"""GET and POST /oauth2/logout: RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), and /logout for our own pages.

Without a hint that names this citizen the citizen is asked: nobody can log another out by a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from idp import sessions
from idp.clients import Client
from idp.context import Context
from idp.endpoints.discovery import LOGOUT
from idp.requests import find_client
from idp.sessions import Session
from idp.tokens import read
from keys.errors import InvalidToken


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
        form = await read_form(request) if request.method == "POST" else parse_query(request)
        session = await self._context.session(request)
        client, sub = await self._hinted(form)
        target = _target(client, form)
        if session is None:
            return await self._done(request, target)
        if client is not None and sub == self._context.minter.sub(session.citizen_id, client):
            return await self._end(request, session, target)
        person = self._context.renderer_person(session)
        return self._context.renderer.page(
            request,
            "logout.html",
            person=person,
            client_id=client.client_id if client is not None and target else "",
            post_logout_redirect_uri=form.get("post_logout_redirect_uri", "") if target else "",
            state=form.get("state", "")[:2000] if target else "",
        )

    async def confirmed(self, request: Request) -> Response:
        """By the citizen, from a page of ours."""
        form = await read_form(request)
        session = await self._context.session(request)
        if session is None:
            return await self._done(request, None)
        self._context.renderer.check_form(request, form, bound_to=session.digest)
        client = await self._context.database.read(lambda c: find_client(c, form.get("client_id")))
        return await self._end(request, session, _target(client, form))

    async def _hinted(self, form: Mapping[str, str]) -> tuple[Client | None, str | None]:
        """The client and citizen of an id_token_hint that we signed; an expired one will do (section 2)."""
        context = self._context
        hint, client_id, sub = form.get("id_token_hint"), form.get("client_id"), None
        if hint:
            try:
                claims = read.hint(context.ring, hint, issuer=context.issuer, now=context.now())
            except InvalidToken:
                return None, None
            if client_id not in (None, claims["aud"]):
                return None, None
            client_id, sub = claims["aud"], claims["sub"]
        client = await context.database.read(lambda c: find_client(c, client_id))
        return client, sub

    async def _end(self, request: Request, session: Session, target: str | None) -> Response:
        now = self._context.now()
        await self._context.database.write(lambda c: sessions.end(c, session.id, session.citizen_id, now))
        return await self._done(request, target)

    async def _done(self, request: Request, target: str | None) -> Response:
        context = self._context
        response = RedirectResponse(target, 303) if target else context.renderer.page(request, "logged_out.html")
        context.cookies.clear(response, context.cookies.session)
        if not target:
            response.headers["clear-site-data"] = '"cache", "storage"'
        return response


def _target(client: Client | None, form: Mapping[str, str]) -> str | None:
    """Only an address that this client registered for this, by exact match."""
    uri = form.get("post_logout_redirect_uri", "")
    if client is None or uri not in client.metadata.get("post_logout_redirect_uris", ()):
        return None
    state = form.get("state")
    if not state:
        return uri
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode({'state': state})}"
