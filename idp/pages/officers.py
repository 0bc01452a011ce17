"""An officer's way in: a passkey, made with the code of an invitation. It is a script's ceremony; there is no other way."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import read_form, read_json
from base.ids import digest
from base.problems import Problem
from idp import officers
from idp.context import Context
from idp.endpoints.logout import CLEAR
from idp.pages.login import challenge_of

HOME = "/supervisor"
NOT_ACCEPTED = "This passkey was not accepted."
NO_CODE = "This code is not valid any more. Ask for a new one."


class OfficerAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """What passkey.js sends: the credential as toJSON() gives it and, with a new one, the invitation's code."""

    credential: dict[str, Any]
    csrf_token: str
    code: str = ""


def routes(context: Context) -> list[Route]:
    pages = Officers(context)
    return [
        Route(f"{HOME}/login", pages.show("officer_login.html"), methods=["GET"]),
        Route(f"{HOME}/login", pages.log_in, methods=["POST"]),
        Route(f"{HOME}/login/options", pages.login_options, methods=["POST"]),
        Route(f"{HOME}/enrol", pages.show("officer_enrol.html"), methods=["GET"]),
        Route(f"{HOME}/enrol", pages.enrol, methods=["POST"]),
        Route(f"{HOME}/enrol/options", pages.enrol_options, methods=["POST"]),
        Route(f"{HOME}/logout", pages.log_out, methods=["POST"]),
    ]


class Officers:
    def __init__(self, context: Context) -> None:
        self._context = context

    def show(self, template: str) -> Any:
        async def page(request: Request) -> Response:
            context, browser = self._context, self._context.browser(request)
            response = context.renderer.page(request, template, bound_to=digest(browser))
            return context.keep_browser(response, browser)

        return page

    async def login_options(self, request: Request) -> Response:
        context = self._context
        browser = self._bound(request, await read_json(request, dict[str, str]))
        now = context.now()
        return _json(await context.database.write(lambda c: officers.begin(c, context.party, browser=browser, now=now)))

    async def log_in(self, request: Request) -> Response:
        context, body = self._context, await read_json(request, OfficerAnswer)
        browser, challenge = self._bound(request, {"csrf_token": body.csrf_token}), challenge_of(body.credential)
        now = context.now()
        value = await context.database.write(
            lambda c: officers.log_in(c, context.party, body.credential, challenge, browser=browser, now=now)
        )
        return self._enter(value)

    async def enrol_options(self, request: Request) -> Response:
        context, body = self._context, await read_json(request, dict[str, str])
        browser, code, now = self._bound(request, body), body.get("code", "")[:200], context.now()
        options = await context.database.write(
            lambda c: officers.enrolment(c, context.party, code, browser=browser, now=now)
        )
        if options is None:
            raise Problem(400, NO_CODE)
        return _json(options)

    async def enrol(self, request: Request) -> Response:
        context, body = self._context, await read_json(request, OfficerAnswer)
        browser, challenge = self._bound(request, {"csrf_token": body.csrf_token}), challenge_of(body.credential)
        credential, now = msgspec.json.encode(body.credential).decode(), context.now()
        value = await context.database.write(
            lambda c: officers.enrol(c, context.party, body.code[:200], credential, challenge, browser=browser, now=now)
        )
        return self._enter(value)

    async def log_out(self, request: Request) -> Response:
        context, form = self._context, await read_form(request)
        session = await context.officer(request)
        if session is not None:
            context.renderer.check_form(request, form, bound_to=session.digest)
            now = context.now()
            await context.database.write(lambda c: officers.leave(c, session, now))
        response = RedirectResponse(f"{HOME}/login", 303, CLEAR)
        context.cookies.clear(response, context.cookies.officer)
        return response

    def _bound(self, request: Request, body: dict[str, str]) -> str:
        """The digest of the browser's cookie, with which the token must agree. Problem 403."""
        browser = self._context.browser_digest(request)
        self._context.renderer.check_form(request, body, bound_to=browser)
        assert browser is not None
        return browser

    def _enter(self, value: str | None) -> Response:
        if value is None:
            raise Problem(400, NOT_ACCEPTED)
        response = _json(msgspec.json.encode({"location": HOME}))
        self._context.cookies.put(response, self._context.cookies.officer, value)
        return response


def _json(body: str | bytes) -> Response:
    return Response(body, headers={"content-type": "application/json"})
