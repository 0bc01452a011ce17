"""All that the register has of a citizen, as records that other software understands: a file to take along."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from base.people import CitizenSessions
from consent.dpv.records import Records

PATH = "/my/records.jsonld"
_HEADERS = {
    "content-type": "application/ld+json",
    "content-disposition": 'attachment; filename="records.jsonld"',
}


def routes(records: Records, citizens: CitizenSessions) -> list[Route]:
    async def download(request: Request) -> Response:
        person = await citizens.current(request)
        if person is None:
            return RedirectResponse(f"/login?to={PATH}", 303)
        found = await records.of_citizen(person.citizen)
        return Response(msgspec.json.format(msgspec.json.encode(found), indent=1), headers=_HEADERS)

    return [Route(PATH, download, methods=["GET"])]
