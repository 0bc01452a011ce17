"""GET and POST /oauth2/authorize (RFC 6749 section 3.1).

A request is checked and stored; the browser then comes back here, with its handle, after each step, until it is done.
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
from consent.interface import ConsentError, Question
from idp import authorization, managing_grants, requests
from idp.authorization import DONE, LOGIN, Wanted
from idp.clients import Client
from idp.clients.fetched import MissingKey
from idp.context import Context
from idp.endpoints.responses import refuse, respond
from idp.errors import OAuthError, UnverifiedRequest
from idp.extensions import grant_management, jar
from idp.requests import Pending
from idp.sessions import Session
from idp.tokens import read
from keys.errors import InvalidToken

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
            handle = await self._keep(request, form, digest(browser))
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

    async def _keep(self, request: Request, sent: Mapping[str, str], browser: str) -> str | Response:
        context, now = self._context, self._context.now()
        client = await context.database.read(lambda c: requests.find_client(c, sent.get("client_id")))
        form, target = sent, None
        try:
            if client is not None:
                form = await self._opened(client, sent, now)
            target = authorization.verify_target(client, form)
            assert client is not None
            if client.must_push:
                raise OAuthError("invalid_request", "This client must push its requests (RFC 9126).")
            if grant_management.PARAMETERS & set(form):
                raise OAuthError("invalid_request", "Requests on a grant must be pushed (RFC 9126).")
            authorization.check(client, form)
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
            if step == DONE and session is not None:
                return await self._grant(request, pending, client, target, session)
        except OAuthError as error:
            if not await context.database.write(lambda c: requests.end(c, pending, now)):
                raise Problem(400) from None
            return refuse(context, request, client, target, pending.parameters, error)
        if step == LOGIN:
            response = RedirectResponse(f"/login?{urlencode({'request': handle})}", 303)
            context.renderer.prefer(request, response, pending.parameters.get("ui_locales", ""))
            return response
        return RedirectResponse(f"/ask?{urlencode({'request': handle})}", 303)

    async def _step(self, pending: Pending, client: Client, session: Session | None) -> str:
        question, meant = None, True
        if session is not None:
            meant = self._is_meant(pending, client, session) and await self._owns_grant(pending, session)
            question = await open_question(self._context, pending, client, session) if meant else None
        return authorization.next_step(
            pending, client, session, is_meant=meant, has_question=question is not None, now=self._context.now()
        )

    def _is_meant(self, pending: Pending, client: Client, session: Session) -> bool:
        """Whether this is the citizen whom the client's hint, or its demand for a `sub`, means."""
        context, form = self._context, pending.parameters
        demanded = (authorization.read_claims(form.get("claims")).get("id_token", {}).get("sub") or {}).get("value")
        subs = {str(demanded)} if demanded is not None else set()
        if "id_token_hint" in form:
            try:
                hint = read.hint(context.ring, form["id_token_hint"], issuer=context.issuer, now=context.now())
            except InvalidToken:
                return False
            subs.add(hint["sub"] if hint["aud"] == client.client_id else "")
        return subs <= {context.minter.sub(session.citizen_id, client)}

    async def _owns_grant(self, pending: Pending, session: Session) -> bool:
        """A grant is amended by the citizen who gave it."""
        found = await self._context.database.read(
            lambda c: grant_management.named(c, pending.client_id, pending.parameters)
        )
        return found is None or found.citizen == session.citizen_id

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

    async def _grant(
        self, request: Request, pending: Pending, client: Client, target: str, session: Session
    ) -> Response:
        context, now = self._context, self._context.now()
        handle = context.ring.pseudonyms.handle(session.citizen_id)
        # The registry must know whom this agency means before the agency does.
        await context.registry.meet(citizen=handle, agency=client.agency)
        await managing_grants.replaced(context, pending, client)
        code = await context.database.write(
            lambda c: requests.grant(c, pending, client, target, session, context.settings, now)
        )
        if code is None:
            raise Problem(400)
        return respond(context, request, client, target, pending.parameters, {"code": code})


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
