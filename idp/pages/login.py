"""The login pages: a passkey, or user name and password and then a code. All work without script but the passkey."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Busy
from base.forms import parse_query, read_form, read_json
from base.i18n import N_
from base.ids import digest
from base.problems import Problem
from idp import login, requests
from idp.authenticators import passkey, password
from idp.authenticators.levels import HIGH, LEVELS, LOW, SUBSTANTIAL, lowest
from idp.authorization import levels_asked
from idp.context import Context
from idp.endpoints.authorize import PATH
from keys.digest import b64decode

_HANDLE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LOCAL = re.compile(r"/my(/[A-Za-z0-9_/-]{0,200})?\Z")
WRONG = N_("This user name and password do not belong together, or you must wait a little. Check both and try again.")
WRONG_CODE = N_("This code is not right, or was used before. Wait for the next code in your app and type that one.")
EXPIRED = N_("That took too long. Type your user name and password once more.")
STRONG = {
    SUBSTANTIAL: N_("A strong login is needed here: a passkey, or your password with a code from your app."),
    HIGH: N_(
        "The strongest login is needed here: a passkey that stays on one device, added after your identity was checked at the desk."
    ),
}
"""What to log in with, where a password alone is not enough."""
WAIT = N_("There were too many wrong codes. Wait a few minutes and try again.")
BUSY = N_("It is very busy. Wait a moment and try again.")


class PasskeyAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """What passkey.js sends: the credential as toJSON() gives it, and where the citizen was going."""

    credential: dict[str, Any]
    request: str = ""
    to: str = ""
    label: str = ""
    csrf_token: str = ""


def routes(context: Context) -> list[Route]:
    pages = Login(context)
    return [
        Route("/login", pages.page, methods=["GET"]),
        Route("/login/password", pages.password, methods=["POST"]),
        Route("/login/totp", pages.totp, methods=["POST"]),
        Route("/login/passkey/options", pages.options, methods=["POST"]),
        Route("/login/passkey", pages.passkey, methods=["POST"]),
    ]


class Login:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def page(self, request: Request) -> Response:
        query = parse_query(request)
        browser = self._context.browser(request)
        response = await self._show(request, query, browser, errors={})
        return self._context.keep_browser(response, browser)

    async def password(self, request: Request) -> Response:
        context = self._context
        form = await read_form(request)
        browser = self._bound(request, form)
        username, given = form.get("username", "")[:200], form.get("password", "")
        now, place = context.now(), context.place(request, browser)
        try:
            found, allowed = await context.database.write(
                lambda c: login.begin_password(c, context.ring, username, now), vital=True
            )
            stored = found.password_hash if found is not None and allowed else None
            right = await password.verify(context.slots, stored, given)
        except Busy:
            return await self._show(request, form, browser, errors={"": BUSY}, status=503)
        if not right or found is None:
            return await self._show(request, form, browser, errors={"password": WRONG}, status=400)
        account = found
        kind, value = await context.database.write(
            lambda c: login.password_right(c, context.ring, username, account, place=place, now=now),
            vital=True,
        )
        if kind == "session":
            return self._enter(form, value)
        if kind == "expired":
            return await self._show(request, form, browser, errors={"password": WRONG}, status=400)
        return self._ask_code(request, form, browser, value, errors={})

    async def totp(self, request: Request) -> Response:
        context = self._context
        form = await read_form(request)
        browser = self._bound(request, form)
        now, place = context.now(), context.place(request, browser)
        handle, code = form.get("handle", ""), form.get("code", "")[:20]
        kind, value = await context.database.write(
            lambda c: login.second_step(c, context.ring, handle, code, place=place, now=now), vital=True
        )
        if kind == "session":
            return self._enter(form, value)
        if kind == "expired":
            return await self._show(request, form, browser, errors={"": EXPIRED}, status=400)
        errors = {"code": WRONG_CODE if kind == "wrong" else WAIT}
        return self._ask_code(request, form, browser, handle, errors=errors, status=400)

    async def options(self, request: Request) -> Response:
        """A challenge for this browser."""
        context = self._context
        body = await read_json(request, dict[str, str])
        browser = self._bound(request, body)
        options, challenge = passkey.request_options(context.party)
        key, now = digest(browser), context.now()
        await context.database.write(
            lambda c: login.keep_challenge(c, challenge, "login", browser=key, citizen_id=None, now=now), vital=True
        )
        return Response(options, headers={"content-type": "application/json"})

    async def passkey(self, request: Request) -> Response:
        context = self._context
        body = await read_json(request, PasskeyAnswer)
        browser = self._bound(request, {"csrf_token": body.csrf_token})
        challenge = challenge_of(body.credential)
        now, place = context.now(), context.place(request, browser)
        value = await context.database.write(
            lambda c: login.passkey_login(
                c, context.ring, context.party, body.credential, challenge, place=place, now=now
            ),
            vital=True,
        )
        if value is None:
            raise Problem(400, "This passkey was not accepted. Try again, or log in another way.")
        onward = _onward({"request": body.request, "to": body.to})
        response = Response(msgspec.json.encode({"location": onward}), headers={"content-type": "application/json"})
        context.cookies.put(response, context.cookies.session, value)
        return response

    def _bound(self, request: Request, form: Mapping[str, str]) -> str:
        """The browser's cookie, with which the form's token must agree. Problem 403."""
        browser = self._context.cookies.read(request, self._context.cookies.browser)
        key = digest(browser) if browser is not None else None
        self._context.renderer.check_form(request, form, bound_to=key)
        assert browser is not None
        return browser

    async def _show(
        self, request: Request, form: Mapping[str, str], browser: str, *, errors: dict[str, str], status: int = 200
    ) -> Response:
        language = self._context.renderer.language(request)
        agency, hint, strong, elsewhere = await self._agency(form.get("request", ""), browser, language)
        _ = self._context.renderer.translator(request)
        return self._context.renderer.page(
            request,
            "login.html",
            status,
            bound_to=digest(browser),
            form_action=None,
            errors={name: _(text) for name, text in errors.items()},
            here=_here(form),
            username=form.get("username", hint),
            agency=agency,
            strong=_(STRONG[strong]) if strong in STRONG else "",
            elsewhere=elsewhere,
            **_going(form),
        )

    def _ask_code(
        self,
        request: Request,
        form: Mapping[str, str],
        browser: str,
        handle: str,
        *,
        errors: dict[str, str],
        status: int = 200,
    ) -> Response:
        _ = self._context.renderer.translator(request)
        return self._context.renderer.page(
            request,
            "totp.html",
            status,
            bound_to=digest(browser),
            form_action=None,
            errors={name: _(text) for name, text in errors.items()},
            here=_here(form),
            handle=handle,
            **_going(form),
        )

    async def _agency(self, handle: str, browser: str, language: str) -> tuple[str, str, str, bool]:
        """Who sent the citizen here, as the register of clients has it in this language; the user name it expects; the least level; whether it began elsewhere."""
        if not _HANDLE.match(handle):
            return "", "", LOW, False
        now, key = self._context.now(), digest(browser)
        found = await self._context.database.read(lambda c: requests.resume(c, handle, key, now))
        if found is None:
            return "", "", LOW, False
        pending, client = found
        asked = [level for level in levels_asked(client, pending.parameters) if level in LEVELS]
        hint = pending.parameters.get("login_hint", "")[:200]
        least = lowest(*asked) if asked else LOW
        return client.shown_name(language), hint, least, pending.decoupled is not None

    def _enter(self, form: Mapping[str, str], value: str) -> Response:
        response = RedirectResponse(_onward(form), 303)
        self._context.cookies.put(response, self._context.cookies.session, value)
        return response


def challenge_of(credential: Mapping[str, Any]) -> str:
    """The challenge that the browser says it signed; whether it did is verified with it."""
    try:
        raw = credential["response"]["clientDataJSON"]
        data = msgspec.json.decode(b64decode(raw))
        return str(data["challenge"])[:200]
    except (KeyError, TypeError, ValueError, msgspec.DecodeError):
        raise Problem(400, "This passkey was not accepted. Try again, or log in another way.") from None


def _going(form: Mapping[str, str]) -> dict[str, Any]:
    """Where to after the login: back to an authorization request, or to a page of ours."""
    handle, to = form.get("request", ""), form.get("to", "")
    return {"handle_of_request": handle if _HANDLE.match(handle) else "", "to": to if _LOCAL.match(to) else ""}


def _here(form: Mapping[str, str]) -> str:
    """The login page, begun again: what was posted on the way cannot be opened by its address."""
    going = _going(form)
    query = {"request": going["handle_of_request"], "to": going["to"]}
    return f"/login?{urlencode({name: value for name, value in query.items() if value})}"


def _onward(form: Mapping[str, str]) -> str:
    going = _going(form)
    if going["handle_of_request"]:
        return f"{PATH}?{urlencode({'resume': going['handle_of_request']})}"
    return going["to"] or "/my"
