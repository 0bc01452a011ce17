"""The page on which a citizen's own browser verifies a receipt (base/static/receipt.js), and says what it checked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent.registry import Registry


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    async def check(request: Request) -> Response:
        person = await citizens.current(request)
        if person is None:
            return RedirectResponse(f"/login?to={request.url.path}", 303)
        receipt = request.path_params["receipt"]
        if await registry.receipt_file(receipt, person.citizen) is None:
            raise Problem(404)
        # Of an answer, or of its end (consent.records.receipt_id): it stands on the page of that consent. Else it is a use.
        record = await registry.consent(receipt.partition(".")[0], person.citizen)
        return renderer.page(request, "check.html", person=person, receipt=receipt, record=record)

    return [Route("/my/receipts/{receipt}/check", check, methods=["GET"])]
