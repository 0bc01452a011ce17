"""GET and POST /oauth2/authorize (RFC 6749 section 3.1).

A request is checked and stored; the browser then comes back here, with its handle, after each step, until it is done.
A pushed one for which nobody needs to be asked is answered when the browser first arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_form
from base.ids import digest
from base.problems import Problem
from idp import authorization, checks, requests
from idp.authorization import DONE, LOGIN
from idp.checks import Asked
from idp.clients import Client
from idp.clients.fetched import MissingKey
from idp.context import Context
from idp.endpoints import ending, steps
from idp.endpoints.responses import refuse
from idp.errors import OAuthError, UnverifiedRequest
from idp.extensions import jar, resource
from idp.extensions.resource import REPEATABLE
from idp.requests import Pending

PATH = authorization.PATH_AUTHORIZE


def routes(context: Context) -> list[Route]:
    endpoint = Authorize(context)
    return [Route(PATH, endpoint.begin, methods=["GET", "POST"])]


def resume(handle: str) -> Response:
    """Back to here, from each step: what comes next is decided in one place."""
    return RedirectResponse(f"{PATH}?{urlencode({'resume': handle})}", 303)


class Authorize:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def begin(self, request: Request) -> Response:
        read = read_form(request, repeatable=REPEATABLE) if request.method == "POST" else None
        form = resource.joined(await read if read is not None else parse_query(request, repeatable=REPEATABLE))
        if "resume" in form:
            return await self._resume(request, form["resume"])
        browser = self._context.browser(request)
        if "request_uri" in form:
            response = await self._open_pushed(request, form, digest(browser))
        else:
            kept = await self._keep(request, form, digest(browser))
            if isinstance(kept, Response):
                return kept
            response = resume(kept)
        return self._context.keep_browser(response, browser)

    async def _open_pushed(self, request: Request, form: Mapping[str, str], browser: str) -> Response:
        """Only what was pushed counts; what else stands in the address is ignored (RFC 9126 section 4)."""
        context, now = self._context, self._context.now()
        urn, client_id = form["request_uri"], form.get("client_id", "")
        handle = urn.removeprefix(requests.URN)
        found = None
        if urn.startswith(requests.URN):
            found = await context.database.read(
                lambda c: requests.visit(c, handle, client_id, browser, context.settings, now)
            )
        if found is None:
            raise Problem(400)
        pending, client = found
        answer = await self._at_once(request, pending, client)
        if answer is not None:
            return answer
        if not await context.database.write(lambda c: requests.bind(c, pending)):
            raise Problem(400)
        return resume(handle)

    async def _at_once(self, request: Request, pending: Pending, client: Client) -> Response | None:
        """The code, when nobody needs to be asked. It binds and uses the request in one unit.

        Refused is nothing here: a form that another site sent carries no session, and comes back with it.
        """
        session = await self._context.session(request)
        if session is None:
            return None
        try:
            if await steps.step(self._context, pending, client, session) != DONE:
                return None
            return await ending.granted(self._context, request, pending, client, session)
        except OAuthError:
            return None

    async def _keep(self, request: Request, sent: Mapping[str, str], browser: str) -> str | Response:
        context, now = self._context, self._context.now()
        client = await context.database.read(lambda c: requests.find_client(c, sent.get("client_id")))
        form, target = sent, None
        try:
            if client is not None:
                form = await self._opened(client, sent, now)
            target = authorization.verify_target(client, form)
            assert client is not None
            checks.run(checks.AUTHORIZE, Asked(client, form, context.issuer, await context.rails(sent)))
        except UnverifiedRequest:
            raise Problem(400) from None
        except OAuthError as error:
            return self._refused(request, client, target, form, error)
        owner = client

        def keep(connection: Connection) -> str:
            life_s = context.settings.request_s
            return requests.keep(
                connection, owner, form, pushed=False, browser=browser, jkt=form.get("dpop_jkt"), life_s=life_s, now=now
            )

        return await context.database.write(keep)

    async def _opened(self, client: Client, sent: Mapping[str, str], now: datetime) -> Mapping[str, str]:
        context = self._context
        try:
            return jar.opened(client, sent, ring=context.ring, issuer=context.issuer, now=now)
        except MissingKey as missing:
            if not await context.fetched.renewed(missing.client_id):
                raise
            again = await context.database.read(lambda c: requests.find_client(c, client.client_id))
            return jar.opened(again or client, sent, ring=context.ring, issuer=context.issuer, now=now)

    async def _resume(self, request: Request, handle: str) -> Response:
        context = self._context
        found = await context.pending(request, handle)
        if found is None:
            raise Problem(400)
        pending, client = found
        session = await context.session(request)
        try:
            step = await steps.step(context, pending, client, session)
            if step == DONE and session is not None:
                return await ending.granted(context, request, pending, client, session)
        except OAuthError as error:
            return await ending.refused(context, request, pending, client, session, error)
        if step == LOGIN:
            response = RedirectResponse(f"/login?{urlencode({'request': handle})}", 303)
            context.renderer.prefer(request, response, pending.parameters.get("ui_locales", ""))
            return response
        return RedirectResponse(f"/{step}?{urlencode({'request': handle})}", 303)

    def _refused(
        self, request: Request, client: Client | None, target: str | None, form: Mapping[str, str], error: OAuthError
    ) -> Response:
        """To the client, where its address is proven: a request object that cannot be read proves none."""
        assert client is not None
        try:
            target = target or authorization.verify_target(client, form)
        except UnverifiedRequest:
            raise Problem(400) from None
        return refuse(self._context, request, client, target, form, error)
