"""GET and POST /oauth2/authorize (RFC 6749 section 3.1).

A request is checked and stored; the browser then comes back here, with its handle, after each step, until it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_form
from base.ids import digest
from base.problems import Problem
from consent.interface import ConsentError, Question
from idp import authorization, requests
from idp.authorization import ASK, LOGIN, Wanted
from idp.clients import Client
from idp.context import Context
from idp.errors import OAuthError, UnverifiedRequest
from idp.requests import Pending
from idp.sessions import Session

PATH = authorization.PATH_AUTHORIZE


def routes(context: Context) -> list[Route]:
    endpoint = Authorize(context)
    return [Route(PATH, endpoint.begin, methods=["GET", "POST"])]


class Authorize:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def begin(self, request: Request) -> Response:
        form = await read_form(request) if request.method == "POST" else parse_query(request)
        if "resume" in form:
            return await self._resume(request, form["resume"])
        browser = self._context.browser(request)
        if "request_uri" in form:
            handle: str | Response = await self._open_pushed(form, digest(browser))
        else:
            handle = await self._keep(form, digest(browser))
        if isinstance(handle, Response):
            return handle
        return self._context.keep_browser(RedirectResponse(f"{PATH}?resume={handle}", 303), browser)

    async def _open_pushed(self, form: Mapping[str, str], browser: str) -> str:
        """Only what was pushed counts; what else stands in the address is ignored (RFC 9126 section 4)."""
        context, now = self._context, self._context.now()
        urn, client_id = form["request_uri"], form.get("client_id", "")
        handle = urn.removeprefix(requests.URN)
        if not urn.startswith(requests.URN) or not await context.database.write(
            lambda c: requests.open_pushed(c, handle, client_id, browser, context.settings, now)
        ):
            raise Problem(400)
        return handle

    async def _keep(self, form: Mapping[str, str], browser: str) -> str | Response:
        context, now = self._context, self._context.now()
        client = await context.database.read(lambda c: requests.find_client(c, form.get("client_id")))
        try:
            target = authorization.verify_target(client, form)
        except UnverifiedRequest:
            raise Problem(400) from None
        assert client is not None
        try:
            if client.profile.par_required:
                raise OAuthError("invalid_request", "This client must push its requests (RFC 9126).")
            authorization.check(client, form)
        except OAuthError as error:
            return self._refuse(target, form, error)
        owner = client

        def keep(connection: Connection) -> str:
            life_s = context.settings.request_s
            return requests.keep(
                connection, owner, form, pushed=False, browser=browser, jkt=form.get("dpop_jkt"), life_s=life_s, now=now
            )

        return await context.database.write(keep)

    async def _resume(self, request: Request, handle: str) -> Response:
        context, now = self._context, self._context.now()
        browser = context.browser_digest(request)
        found = await context.database.read(lambda c: requests.resume(c, handle, browser, now))
        if found is None:
            raise Problem(400)
        pending, client = found
        target = authorization.verify_target(client, pending.parameters)
        session = await context.session(request)
        try:
            step = await self._step(pending, client, session)
        except OAuthError as error:
            if not await context.database.write(lambda c: requests.end(c, pending, now)):
                raise Problem(400) from None
            return self._refuse(target, pending.parameters, error)
        if step == LOGIN or session is None:
            return RedirectResponse(f"/login?{urlencode({'request': handle})}", 303)
        if step == ASK:
            return RedirectResponse(f"/ask?{urlencode({'request': handle})}", 303)
        return await self._grant(pending, client, target, session)

    async def _step(self, pending: Pending, client: Client, session: Session | None) -> str:
        question = None
        if session is not None:
            question = await open_question(self._context, pending, client, session)
        return authorization.next_step(pending, session, has_question=question is not None, now=self._context.now())

    async def _grant(self, pending: Pending, client: Client, target: str, session: Session) -> Response:
        context, now = self._context, self._context.now()
        handle = context.ring.pseudonyms.handle(session.citizen_id)
        # The registry must know whom this agency means before the agency does.
        await context.registry.meet(citizen=handle, agency=client.agency)
        code = await context.database.write(
            lambda c: requests.grant(c, pending, client, target, session, context.settings, now)
        )
        if code is None:
            raise Problem(400)
        return respond(context, target, {"code": code, "state": pending.parameters.get("state")})

    def _refuse(self, target: str, form: Mapping[str, str], error: OAuthError) -> Response:
        members = {"error": error.error, "error_description": error.description, "state": form.get("state")}
        return respond(self._context, target, members)


def respond(context: Context, target: str, members: Mapping[str, str | None]) -> Response:
    """To the client, with `iss` in every response, granted or not (RFC 9207). `target`: proven before."""
    given = {name: value for name, value in members.items() if value}
    query = urlencode({**given, "iss": context.issuer})
    joint = "&" if urlsplit(target).query else "?"
    # 303: a form's content is never sent on to the client (RFC 9700 section 4.12).
    return RedirectResponse(f"{target}{joint}{query}", 303)


async def open_question(context: Context, pending: Pending, client: Client, session: Session) -> Question | None:
    """The next question of the registry for this request. OAuthError when what is asked in so many words cannot be."""
    wanted: Wanted = authorization.wanted(client, pending.parameters)
    if not wanted.uses:
        return None
    citizen = context.ring.pseudonyms.handle(session.citizen_id)
    anew = "consent" in pending.parameters.get("prompt", "").split()
    try:
        return await context.registry.question(
            citizen=citizen, agency=client.agency, requests=wanted.uses, answered=pending.asked, anew=anew
        )
    except ConsentError as error:
        if wanted.details:
            raise OAuthError("invalid_authorization_details", f"{error}.".capitalize()) from error
        # Plain claims are best effort: without a purpose that covers them they are simply not released.
        return None
