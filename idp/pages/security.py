"""My ways to log in, and the first one (/enrol).

Changing a way in needs a login of the last ten minutes: an unlocked screen must not be enough.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.database import Connection
from base.forms import Form, parse_query, read_form, read_json
from base.i18n import N_
from base.ids import digest
from base.people import FRESH
from base.problems import Problem
from idp import login, managing
from idp.authenticators import passkey, password, totp
from idp.authenticators.levels import LOW
from idp.context import Context
from idp.managing import AccountError
from idp.pages.login import PasskeyAnswer, challenge_of
from idp.sessions import Session

WEAK = {
    "short": N_("This password is too short. Take at least 15 characters; four words are a good password."),
    "long": N_("This password is too long. Take at most 256 characters."),
    "common": N_("Too many people use this password. Choose another one."),
    "name": N_("Do not use your user name in your password."),
}
TAKEN = N_("This user name is taken. Choose another one.")
NAME = N_("Choose a user name of 3 to 60 letters or digits.")
CODE = N_("This code is not right. Type the code that the app shows now.")
ENROLMENT = N_("This enrolment code is not valid any more. Ask for a new one.")


def routes(context: Context) -> list[Route]:
    page = Security(context)
    return [
        Route("/my/logins", page.logins, methods=["GET"]),
        Route("/my/logins/passkey/options", page.options, methods=["POST"]),
        Route("/my/logins/passkey", page.add_passkey, methods=["POST"]),
        Route("/my/logins/passkey/remove", page.remove_passkey, methods=["POST"]),
        Route("/my/logins/password", page.password, methods=["GET", "POST"]),
        Route("/my/logins/totp", page.totp, methods=["GET", "POST"]),
        Route("/enrol", page.enrol, methods=["GET", "POST"]),
    ]


class Security:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def logins(self, request: Request) -> Response:
        session = await self._context.session(request)
        if session is None:
            return log_in(request)
        ways = await self._context.database.read(lambda c: managing.ways(c, session.citizen_id))
        return self._page(
            request, session, "logins.html", ways=ways, fresh=self._fresh(session), weak=session.binds == LOW
        )

    async def options(self, request: Request) -> Response:
        """A challenge for a new passkey of this citizen."""
        context = self._context
        body = await read_json(request, dict[str, str])
        session = await self._fresh_session(request)
        context.renderer.check_form(request, body, bound_to=session.digest)
        ways = await context.database.read(lambda c: managing.ways(c, session.citizen_id))
        handle = login.user_handle(context.ring, session.citizen_id)
        options, challenge = passkey.creation_options(context.party, handle, session.person.name, list(ways.passkeys))
        key, now = session.digest, context.now()
        await context.database.write(
            lambda c: login.keep_challenge(
                c, challenge, "register", browser=key, citizen_id=session.citizen_id, now=now
            )
        )
        return Response(options, headers={"content-type": "application/json"})

    async def add_passkey(self, request: Request) -> Response:
        context = self._context
        body = await read_json(request, PasskeyAnswer)
        session = await self._fresh_session(request)
        context.renderer.check_form(request, {"csrf_token": body.csrf_token}, bound_to=session.digest)
        credential, challenge = msgspec.json.encode(body.credential).decode(), challenge_of(body.credential)
        now = context.now()
        done = await context.database.write(
            lambda c: managing.add_passkey(c, context.party, session, credential, challenge, label=body.label, now=now)
        )
        if not done:
            raise Problem(400, "This passkey could not be added. Try again.")
        body_out = msgspec.json.encode({"location": "/my/logins?added=1"})
        return Response(body_out, headers={"content-type": "application/json"})

    async def remove_passkey(self, request: Request) -> Response:
        form, session = await self._post(request)
        if session is None:
            return log_in(request)
        now, credential_id = self._context.now(), form.get("credential_id", "")
        done = await self._context.database.write(
            lambda c: managing.remove_passkey(c, self._context.ring, session, credential_id, now)
        )
        return RedirectResponse("/my/logins?removed=1" if done else "/my/logins?last=1", 303)

    async def password(self, request: Request) -> Response:
        if request.method == "GET":
            session = await self._context.session(request)
            if session is None or not self._fresh(session):
                return log_in(request)
            return self._page(request, session, "password.html", errors={}, username="")
        form, session = await self._post(request)
        if session is None:
            return log_in(request)
        errors = await self._set_password(session, form)
        if errors:
            return self._page(
                request,
                session,
                "password.html",
                400,
                errors=self._say(request, errors),
                username=form.get("username", ""),
            )
        return RedirectResponse("/my/logins?changed=1", 303)

    async def totp(self, request: Request) -> Response:
        context = self._context
        if request.method == "GET":
            session = await context.session(request)
            if session is None or not self._fresh(session):
                return log_in(request)
            return self._totp_page(request, session, totp.new_secret(), {})
        form, session = await self._post(request)
        if session is None:
            return log_in(request)
        shared, now = form.get("secret", ""), context.now()
        if not totp.is_secret(shared):
            raise Problem(400)
        if totp.matching_step(shared, form.get("code", "")[:20], now) is None:
            return self._totp_page(request, session, shared, self._say(request, {"code": CODE}), 400)
        await context.database.write(lambda c: managing.set_totp(c, context.ring, session, shared, now))
        return RedirectResponse("/my/logins?changed=1", 303)

    async def enrol(self, request: Request) -> Response:
        """The first way in, with a code that the agency's desk or letter gave: a user name and a password."""
        context = self._context
        browser = context.browser(request)
        if request.method == "GET":
            return context.keep_browser(self._enrol_page(request, browser, {}, {}), browser)
        form = await read_form(request)
        context.renderer.check_form(request, form, bound_to=context.browser_digest(request))
        if errors := _weak(form):
            return self._enrol_page(request, browser, form, self._say(request, errors), 400)
        hashed = await context.slots.run(lambda: password.hash_password(form.get("password", "")))
        now, place = context.now(), context.place(request, browser)
        enrol: Callable[[Connection], str] = lambda c: managing.enrol(  # noqa: E731 - a unit of work
            c, context.ring, form.get("enrolment_code", ""), form["username"], hashed, place=place, now=now
        )
        try:
            value = await context.database.write(enrol)
        except AccountError as error:
            errors = {"username": TAKEN} if error.field == "username" else {"enrolment_code": ENROLMENT}
            return self._enrol_page(request, browser, form, self._say(request, errors), 400)
        response = RedirectResponse("/my/logins?enrolled=1", 303)
        context.cookies.put(response, context.cookies.session, value)
        return response

    async def _set_password(self, session: Session, form: Form) -> dict[str, str]:
        context = self._context
        if errors := _weak(form):
            return errors
        hashed = await context.slots.run(lambda: password.hash_password(form.get("password", "")))
        now = context.now()
        try:
            await context.database.write(
                lambda c: managing.set_password(
                    c, context.ring, session, username=form["username"], password_hash=hashed, now=now
                )
            )
        except AccountError:
            return {"username": TAKEN}
        return {}

    async def _post(self, request: Request) -> tuple[Form, Session | None]:
        form = await read_form(request)
        session = await self._context.session(request)
        if session is None or not self._fresh(session):
            return form, None
        self._context.renderer.check_form(request, form, bound_to=session.digest)
        return form, session

    async def _fresh_session(self, request: Request) -> Session:
        session = await self._context.session(request)
        if session is None or not self._fresh(session):
            raise Problem(403, "Log in again first.")
        return session

    def _fresh(self, session: Session) -> bool:
        return self._context.now() < session.auth_time + FRESH

    def _say(self, request: Request, errors: dict[str, str]) -> dict[str, str]:
        _ = self._context.renderer.translator(request)
        return {name: _(text) for name, text in errors.items()}

    def _totp_page(
        self, request: Request, session: Session, shared: str, errors: dict[str, str], status: int = 200
    ) -> Response:
        svg = totp.qr_svg(totp.uri(shared, session.person.given_names or "Regie"))
        return self._page(request, session, "totp_setup.html", status, secret=shared, qr=svg, errors=errors)

    def _enrol_page(
        self, request: Request, browser: str, form: Form | dict[str, str], errors: dict[str, str], status: int = 200
    ) -> Response:
        return self._context.renderer.page(
            request,
            "enrol.html",
            status,
            bound_to=digest(browser),
            errors=errors,
            username=form.get("username", ""),
            enrolment_code=form.get("enrolment_code", ""),
        )

    def _page(self, request: Request, session: Session, template: str, status: int = 200, **given: object) -> Response:
        return self._context.renderer.page(
            request,
            template,
            status,
            person=self._context.renderer_person(session),
            said=next(iter(parse_query(request)), ""),
            **given,  # type: ignore[arg-type]  # the template's own names
        )


def _weak(form: Form) -> dict[str, str]:
    username = form.get("username", "").strip()
    if not 3 <= len(username) <= 60 or not username.replace("-", "").replace(".", "").replace("_", "").isalnum():
        return {"username": NAME}
    reason = password.weakness(form.get("password", ""), username=username)
    return {"password": WEAK[reason]} if reason is not None else {}


def log_in(request: Request) -> Response:
    """Log in (again), and come back."""
    return RedirectResponse(f"/login?to={request.url.path}", 303)
