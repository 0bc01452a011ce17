"""A receipt, as the file the citizen keeps."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.people import CitizenSessions
from base.problems import Problem
from base.render import Renderer
from consent.pages.page import Page, login
from consent.registry import Registry


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> list[Route]:
    pages = Receipts(registry, renderer, citizens)
    return [
        Route("/my/receipts/{receipt}", pages.receipt, methods=["GET"]),
    ]


class Receipts(Page):
    async def receipt(self, request: Request) -> Response:
        person = await self.citizens.current(request)
        if person is None:
            return login(request)
        receipt_id = request.path_params["receipt"]
        file = await self.registry.receipt_file(receipt_id, person.citizen)
        if file is None:
            raise Problem(404)
        name = f'attachment; filename="receipt-{receipt_id}.json"'
        return Response(file, headers={"content-type": "application/json", "content-disposition": name})
