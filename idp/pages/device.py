"""Where a citizen types what a device shows (RFC 8628 section 3.3), and is told how it ended.

Nothing happens by opening the address, also with the code in it: the citizen compares, continues, logs in and confirms,
so that a code which another person began is not confirmed unawares (section 5.4).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import parse_query, read_form
from base.i18n import N_
from base.ids import digest
from idp import decoupled, requests
from idp.authenticators import guesses
from idp.context import Context
from idp.endpoints.authorize import resume
from idp.endpoints.device import VERIFICATION

WRONG = N_("This code is not known, or too old. Look at your device again, or let it make a new code.")
WAIT = N_("There were too many wrong codes. Wait a few minutes and try again.")


def routes(context: Context) -> list[Route]:
    page = Device(context)
    return [Route(VERIFICATION, page.show, methods=["GET"]), Route(VERIFICATION, page.typed, methods=["POST"])]


class Device:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        query = parse_query(request)
        browser = self._context.browser(request)
        code = decoupled.typed(query.get("user_code", ""))
        said = next(iter(query), "")
        response = await self._page(request, browser, code=code or "", linked=code is not None, said=said)
        return self._context.keep_browser(response, browser)

    async def typed(self, request: Request) -> Response:
        context, now = self._context, self._context.now()
        form = await read_form(request)
        browser, key = context.browser(request), context.browser_digest(request)
        session = await context.session(request)
        context.renderer.check_form(request, form, bound_to=session.digest if session is not None else key)
        given = form.get("user_code", "")
        code = decoupled.typed(given)
        subject = f"citizen {session.citizen_id}" if session is not None else f"address {_address(request)}"
        counted = context.ring.pseudonyms.blind_index(f"device {subject}")

        def unit(connection: Connection) -> str | bool:
            """The handle to go on with, or whether another try may follow at once."""
            if not guesses.may_guess(connection, counted, now):
                return False
            found = decoupled.by_user_code(connection, context.ring, code, now) if code is not None else None
            if found is None:
                guesses.guessed_wrong(connection, counted, now)
                return True
            return requests.open_decoupled(connection, found, code, digest(browser))

        done = await context.database.write(unit)
        if isinstance(done, str):
            return context.keep_browser(resume(done), browser)
        return await self._page(request, browser, code=given[:20], error=WRONG if done else WAIT, status=400)

    async def _page(
        self,
        request: Request,
        browser: str,
        *,
        code: str,
        linked: bool = False,
        said: str = "",
        error: str = "",
        status: int = 200,
    ) -> Response:
        context = self._context
        session = await context.session(request)
        _ = context.renderer.translator(request)
        return context.renderer.page(
            request,
            "device.html",
            status,
            person=context.renderer_person(session) if session is not None else None,
            bound_to=digest(browser),
            here=VERIFICATION if request.method == "POST" else "",
            user_code=code,
            linked=linked,
            said=said,
            errors={"user_code": _(error)} if error else {},
        )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""
