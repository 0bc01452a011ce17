"""/estonia/api: the verbs of Estonia's consent service, by their addresses there; who asks is said by the token.

Errors are problem documents with the protocol's `errorCode` and `errorKey`; their status is what HTTP means by it, where
the protocol has 500.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import MAX_BODY, parse_query
from base.people import Callbacks
from base.problems import Problem
from consent.api import effects
from consent.api.estonia_shapes import (
    ClientStanding,
    FilterAnswer,
    FilterRequest,
    GroupAnswer,
    GroupRequest,
    HealthAnswer,
    ReferencesRequest,
    ReleaseAnswer,
    ReportAnswer,
    ReportRequest,
    RepresentationRequest,
    Standing,
)
from consent.api.shapes import answer, read
from consent.callers import Caller, Callers
from consent.catalogue import DAY_S
from consent.estonia import service as nt
from consent.estonia.service import ConsentService, Refused
from consent.interface import PersonalDataUse
from consent.lodging import LINKS, TooManyOpen, Wanted
from keys.seal import Sealer

BASE = "/estonia/api"
FILTER = f"{BASE}/consent/filter-by-status"
FILTER_BODY = 512 * 1024
"""Bytes of 5,000 references, and some more."""
REQUEST, CHECK, REDEEM = "consent:request", "consent:check", "consent:redeem"
LIFE_S = 7 * DAY_S
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_RELATIONS = ("CHILD", "LAPS")
_NOT_REPRESENTED, _NO_RELATION = "RR_REPRESENTATION_ERROR", "RELATION_TYPE_INVALID"
_REFUSALS = {
    nt.INVALID: (400, "error.validation", "The request is not as the protocol has it."),
    nt.NOT_FOUND: (404, "error.http.404", "You have no such consent."),
    nt.NOT_APPROVED: (409, "error.business.consent-validate-invalid-status", "This consent is not approved."),
    nt.UNKNOWN_PURPOSE: (
        404,
        "error.business.requested-consents-not-related-to-any-declarations",
        "A purpose is not published for this agency, or needs no consent.",
    ),
    nt.ENDED_PURPOSE: (
        409,
        "error.business.requested-consents-related-to-invalid-declarations",
        "A purpose has ended.",
    ),
    nt.ALL_APPROVED: (
        409,
        "error.business.all-requested-consents-have-already-been-approved",
        "Everything that was asked is allowed already.",
    ),
    nt.UNKNOWN_CITIZEN: (
        404,
        "error.business.id-code-invalid",
        "No citizen of this idCode ever logged in at this agency.",
    ),
    _NOT_REPRESENTED: (403, "error.business.representation_error", "Nobody represents himself."),
    _NO_RELATION: (400, "error.business.relation-type-error", "There is no such relation."),
    nt.SUSPENDED: (403, "", "This agency takes no part at present."),
    nt.UNRECONCILED: (403, "", "The registry allows nothing until it is reconciled."),
}
"""Status, key and sentence by code."""
T = TypeVar("T")


def routes(service: ConsentService, callers: Callers, callbacks: Callbacks, sealer: Sealer, issuer: str) -> list[Route]:
    async def health(_request: Request) -> Response:
        return answer(HealthAnswer("UP" if await service.is_up() else "DOWN"))

    return [
        *_asking(service, callers, callbacks, sealer, issuer),
        *_recipients(service, callers),
        *_sources(service, callers, sealer),
        Route(f"{BASE}/consent/health", health, methods=["GET"]),
        Route(f"{BASE}/reporting/health", health, methods=["GET"]),
    ]


def _asking(
    service: ConsentService, callers: Callers, callbacks: Callbacks, sealer: Sealer, issuer: str
) -> list[Route]:
    async def request_group(request: Request) -> Response:
        caller = await callers.require(request, REQUEST)
        body = await _read(request, GroupRequest)
        return await lodge(request, caller, body, body.id_code)

    async def request_represented(request: Request) -> Response:
        """Who has custody of whom is not told here: the register is asked when somebody opens the link, and when he presses."""
        caller = await callers.require(request, REQUEST)
        body = await _read(request, RepresentationRequest)
        if body.relation_type not in _RELATIONS:
            raise _problem(_NO_RELATION)
        if body.representative_id_code == body.representee_id_code:
            raise _problem(_NOT_REPRESENTED)
        return await lodge(request, caller, body, body.representee_id_code, by=body.representative_id_code)

    async def lodge(
        request: Request, caller: Caller, body: GroupRequest | RepresentationRequest, sub: str, by: str = ""
    ) -> Response:
        if not await callbacks.is_callback(caller.client_id, body.callback):
            raise _problem(nt.INVALID, "The callback is no redirect address of this client.")
        uses = tuple(PersonalDataUse(one) for one in dict.fromkeys(body.purpose_declaration_business_identifiers))
        wanted = Wanted(caller.agency, caller.client_id, sub, uses, body.callback, renew=False, life_s=LIFE_S)

        def effect(connection: Connection) -> tuple[int, bytes]:
            try:
                done = service.request(connection, wanted, by)
            except Refused as refused:
                raise _problem(refused.code) from None
            except TooManyOpen:
                raise Problem(409, "Too many requests wait for this citizen's answer.") from None
            url = f"{issuer}{LINKS}/{done.link}"
            return 200, msgspec.json.encode(GroupAnswer(done.id, url))

        return await effects.run(service.registry, sealer, request, caller, body, effect)

    return [
        Route(f"{BASE}/consent", request_group, methods=["POST"]),
        Route(f"{BASE}/consent/representation", request_represented, methods=["POST"]),
    ]


def _recipients(service: ConsentService, callers: Callers) -> list[Route]:
    async def references(request: Request) -> Response:
        caller = await callers.require(request, CHECK)
        body = await _read(request, ReferencesRequest)
        purposes = list(dict.fromkeys(body.purpose_declaration_business_identifiers))
        found = await service.references(caller.agency, body.id_code, purposes)
        if not found:
            raise _problem(nt.NOT_FOUND)
        return answer(found)

    async def validate_for_client(request: Request) -> Response:
        caller = await callers.require(request, CHECK)
        reference = _reference(request)
        try:
            found = await service.standing(caller.agency, reference)
        except Refused as refused:
            raise _problem(refused.code) from None
        assert found.expires_at is not None
        return answer(ClientStanding(found.reference, effects.time(found.expires_at), found.sub, found.purpose))

    async def filter_by_status(request: Request) -> Response:
        caller = await callers.require(request, CHECK)
        body = await _read(request, FilterRequest, FILTER_BODY)
        asked = list(dict.fromkeys(body.consent_references))
        found = await service.standings(caller.agency, [one for one in asked if _REFERENCE.match(one)])
        theirs = {one.reference for one in found}
        shown = [one for one in found if _side(one) in body.consent_status]
        return answer(FilterAnswer([_told(one) for one in shown], [one for one in asked if one not in theirs]))

    return [
        Route(f"{BASE}/consent/reference", references, methods=["POST"]),
        Route(f"{BASE}/consent/validation/client", validate_for_client, methods=["GET"]),
        Route(FILTER, filter_by_status, methods=["POST"]),
    ]


def _sources(service: ConsentService, callers: Callers, sealer: Sealer) -> list[Route]:
    registry = service.registry

    async def validate_for_source(request: Request) -> Response:
        caller = await callers.require(request, REDEEM)
        reference = _reference(request)
        # Never twice from one key: a kept yes would outlive the consent.
        done = await registry.database.write(lambda c: service.release(c, caller.agency, reference))
        if isinstance(done, str):
            raise _problem(done)
        return answer(
            ReleaseAnswer(
                done.reference,
                effects.time(done.expires_at),
                done.sub,
                done.recipient,
                " ".join(done.data),
                list(done.data),
                done.purpose,
                done.purpose_version,
                effects.time(done.before),
                done.leaf,
            )
        )

    async def report(request: Request) -> Response:
        caller = await callers.require(request, REDEEM)
        body = await _read(request, ReportRequest)

        def effect(connection: Connection) -> tuple[int, bytes]:
            try:
                service.report(connection, caller.agency, body.consent_reference, body.transmission_timestamp)
            except Refused as refused:
                raise _problem(refused.code) from None
            return 200, msgspec.json.encode(ReportAnswer("success"))

        return await effects.run(registry, sealer, request, caller, body, effect)

    return [
        effects.telling(f"{BASE}/consent/validation/dataprovider", validate_for_source),
        Route(f"{BASE}/reporting/consent", report, methods=["POST"]),
    ]


async def _read(request: Request, type_: type[T], limit: int = MAX_BODY) -> T:
    try:
        return await read(request, type_, limit=limit)
    except Problem as problem:
        if problem.status == 400:
            problem.members |= _members(nt.INVALID)
        raise


def _reference(request: Request) -> str:
    """What cannot be one is as one that there is not."""
    query = parse_query(request)
    if set(query) != {"consentReference"}:
        raise _problem(nt.INVALID, "consentReference is needed, and nothing else.")
    if not _REFERENCE.match(query["consentReference"]):
        raise _problem(nt.NOT_FOUND)
    return query["consentReference"]


def _told(one: nt.Standing) -> Standing:
    status: Any = one.status
    ends = effects.time(one.expires_at) if one.expires_at is not None else None
    return Standing(one.reference, status, one.sub, one.purpose, ends)


def _side(one: nt.Standing) -> str:
    return "VALID" if one.status == nt.APPROVED else "INVALID"


def _problem(code: str, detail: str = "") -> Problem:
    status, key, sentence = _REFUSALS[code]
    return Problem(status, detail or sentence, members=_members(code) if key else {})


def _members(code: str) -> dict[str, str]:
    return {"errorCode": code, "errorKey": _REFUSALS[code][1]}
