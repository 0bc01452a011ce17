"""POST /population/v1/releases: the provider as a source. It releases what the register says, against a permit, once.

The same wire protocol as every source of the agency toolkit: {"permit": …} → {"data": {category: …}, "permitId": …}.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import read_json
from base.problems import Problem
from consent.interface import PermitRefused
from idp.citizens.account import by_handle
from idp.citizens.claims import claims_of
from idp.context import Context

SOURCE = "population-register"


class Release(msgspec.Struct, forbid_unknown_fields=True):
    permit: str


def routes(context: Context) -> list[Route]:
    async def release(request: Request) -> Response:
        body = await read_json(request, Release)
        try:
            redeemed = await context.registry.redeem(body.permit, source=SOURCE)
        except PermitRefused as refused:
            status = 409 if refused.reason == "redeemed" else 403
            raise Problem(status, "The permit is not accepted.", members={"reason": refused.reason}) from None
        person = await context.database.read(lambda c: by_handle(c, context.ring, redeemed.citizen))
        data = {category: claims_of(person, category) for category in redeemed.data} if person is not None else {}
        return Response(
            msgspec.json.encode({"permitId": redeemed.permit_id, "data": data}),
            headers={"content-type": "application/json", "cache-control": "no-store"},
        )

    return [Route("/population/v1/releases", release, methods=["POST"])]
