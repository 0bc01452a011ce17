"""GET /consent/v1/records/{record}: what an agency was given, as a record that other software understands."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import no_query
from base.problems import Problem
from consent.api.shapes import answer
from consent.callers import Callers
from consent.dpv.record import RECORDS
from consent.dpv.records import Records

SCOPE = "consent:record"


class RecordAnswer(msgspec.Struct):
    """`record`: of ISO/IEC TS 27560, in terms of the Data Privacy Vocabulary: JSON-LD with its context inside."""

    record: dict[str, Any]


def routes(records: Records, callers: Callers) -> list[Route]:
    async def record(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        no_query(request)
        found = await records.of_agency(request.path_params["record"], caller.agency)
        if found is None:
            raise Problem(404, "You have no record of this name.")
        return answer(RecordAnswer(found))

    return [Route(f"{RECORDS}/{{record}}", record, methods=["GET"])]
