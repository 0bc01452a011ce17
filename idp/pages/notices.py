"""What happened with my login: the notices, latest first, and a button to say that they were seen."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.forms import read_form
from base.i18n import N_
from idp import notices
from idp.context import Context
from idp.pages.security import log_in

PATH = "/my/notices"
SAID = {
    "password.set": N_("Your user name and password were changed."),
    "totp.set": N_("A code app was set up."),
    "passkey.added": N_("A passkey was added."),
    "passkey.removed": N_("A passkey was removed."),
    "enrolled": N_("A new enrolment code was used, and a new password was chosen."),
    "device.new": N_("You logged in on a device or browser that you did not use before."),
    "login.after_guesses": N_("You logged in, after several wrong passwords or codes."),
    "code.guessed": N_("Somebody typed your password and then several wrong codes."),
}
"""One sentence for each kind of idp.notices."""


def routes(context: Context) -> list[Route]:
    async def show(request: Request) -> Response:
        session = await context.session(request)
        if session is None:
            return log_in(request)
        found = await context.database.read(lambda c: notices.of(c, session.citizen_id))
        person = context.renderer_person(session)
        _ = context.renderer.translator(request)
        told = {kind: _(text) for kind, text in SAID.items()}
        return context.renderer.page(request, "notices.html", person=person, notices=found, told=told)

    async def seen(request: Request) -> Response:
        form = await read_form(request)
        session = await context.session(request)
        if session is None:
            return log_in(request)
        context.renderer.check_form(request, form, bound_to=session.digest)
        now = context.now()
        await context.database.write(lambda c: notices.seen(c, session.citizen_id, now))
        return RedirectResponse("/my", 303)

    return [Route(PATH, show, methods=["GET"]), Route(PATH, seen, methods=["POST"])]
