"""/govstack/v1: the 42 operations of the GovStack file, each with the scope that it needs.

Every success is 200 and every mistake of the caller 400, as the file has it; 401, 403, 405 and 503 are what HTTP has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from base.clock import Clock
from base.database import Connection
from base.forms import parse_query, read_json
from base.problems import Problem
from consent.api import effects
from consent.callers import Callers
from consent.govstack import agreements, consents, individuals, policies
from consent.govstack.asked import INDIVIDUAL, Ask
from consent.registry import Registry
from keys.ring import Ring

BASE = "/govstack/v1"
CONFIG, SERVICE, AUDIT = "govstack:config", "govstack:service", "govstack:audit"
_PAGE = frozenset({"offset", "limit"})
_NONE: frozenset[str] = frozenset()
_REVISION = frozenset({"revisionId"})
_ASKED = frozenset({"individualId", "revisionId"})
_MINE = "/service/individual/record"
_METHODS = ("GET", "POST", "PUT", "DELETE")

Operation = tuple[str, str, frozenset[str], Callable[[Ask], dict[str, Any]]]

OPERATIONS: tuple[Operation, ...] = (
    ("POST", "/config/policy/", _NONE, policies.create_policy),
    ("GET", "/config/policy/{policyId}/", _REVISION, policies.read_policy),
    ("PUT", "/config/policy/{policyId}/", _NONE, policies.update_policy),
    ("DELETE", "/config/policy/{policyId}/", _NONE, policies.delete_policy),
    ("GET", "/config/policy/{policyId}/revisions/", _PAGE, policies.list_policy_revisions),
    ("GET", "/config/policies/", _PAGE | _REVISION, policies.list_policies),
    ("POST", "/config/data-agreement/", _NONE, agreements.create),
    ("GET", "/config/data-agreement/{dataAgreementId}/", _NONE, agreements.read),
    ("PUT", "/config/data-agreement/{dataAgreementId}/", _NONE, agreements.update),
    ("DELETE", "/config/data-agreement/{dataAgreementId}/", _NONE, agreements.delete),
    ("GET", "/config/data-agreements/", _PAGE, agreements.list_all),
    ("POST", "/config/individual/", _NONE, individuals.register),
    ("GET", "/config/individual/{individualId}/", _NONE, individuals.read),
    ("GET", "/config/individuals/", _PAGE, individuals.listed),
    ("POST", "/config/webhook/", _NONE, policies.create_webhook),
    ("GET", "/config/webhook/{webhookId}/", _NONE, policies.read_webhook),
    ("PUT", "/config/webhook/{webhookId}/", _NONE, policies.update_webhook),
    ("DELETE", "/config/webhook/{webhookId}/", _NONE, policies.delete_webhook),
    ("GET", "/config/webhooks/", _PAGE, policies.list_webhooks),
    ("POST", "/service/individual/", _NONE, individuals.register),
    ("GET", "/service/individual/{individualId}/", _NONE, individuals.read),
    ("PUT", "/service/individual/{individualId}/", _NONE, individuals.update),
    ("GET", "/service/individuals/", _PAGE, individuals.listed),
    ("GET", "/service/data-agreement/{dataAgreementId}/", _NONE, agreements.read_published),
    ("GET", "/service/policy/{policyId}/", _REVISION, policies.read_policy),
    ("GET", "/service/verification/data-agreements/", _PAGE, agreements.list_published),
    ("GET", "/service/verification/consent-records/", _PAGE, consents.listed),
    ("GET", "/service/verification/consent-record/{consentRecordId}/", _NONE, consents.read),
    ("POST", f"{_MINE}/data-agreement/{{dataAgreementId}}/", _ASKED, consents.create),
    ("GET", f"{_MINE}/data-agreement/{{dataAgreementId}}/", _NONE, consents.read_current),
    ("GET", f"{_MINE}/data-agreement/{{dataAgreementId}}/all/", _PAGE, consents.list_versions),
    ("POST", f"{_MINE}/consent-record/draft/", _ASKED | {"dataAgreementId"}, consents.draft),
    ("POST", f"{_MINE}/consent-record/", _NONE, consents.create_paired),
    ("GET", f"{_MINE}/consent-record/", _PAGE, consents.list_mine),
    ("PUT", f"{_MINE}/consent-record/{{consentRecordId}}/", _NONE, consents.update),
    ("POST", f"{_MINE}/consent-record/{{consentRecordId}}/signature/", _NONE, consents.create_signature),
    ("PUT", f"{_MINE}/consent-record/{{consentRecordId}}/signature/", _NONE, consents.update_signature),
    ("DELETE", f"{_MINE}/", _NONE, consents.delete_all),
    ("GET", "/audit/consent-records/", _PAGE, consents.listed),
    ("GET", "/audit/consent-record/{consentRecordId}/", _NONE, consents.read),
    ("GET", "/audit/data-agreements/", _PAGE, agreements.list_all),
    ("GET", "/audit/data-agreement/{dataAgreementId}/", _NONE, agreements.read),
)
"""Method, path, query parameters, what it does. The first part of the path says the scope."""

_BODILESS = frozenset({consents.create, consents.draft})
"""They are posted with a query alone."""


def routes(
    registry: Registry, callers: Callers, ring: Ring, clock: Clock, issuer: str, demonstration: str = ""
) -> list[Route]:
    """`demonstration`: the agency that callers without a token are, in development alone."""

    async def who(request: Request, scope: str) -> tuple[str, str]:
        if demonstration and "authorization" not in request.headers:
            return demonstration, "demonstration"
        caller = await callers.require(request, scope)
        return caller.agency, caller.client_id

    def endpoint(operations: Mapping[str, Operation]) -> Callable[[Request], Any]:
        async def run(request: Request) -> Response:
            method, path, parameters, act = operations["GET" if request.method == "HEAD" else request.method]
            agency, by = await who(request, f"govstack:{path.split('/')[1]}")
            query, body = await _input(request, parameters, has_body=method in ("POST", "PUT") and act not in _BODILESS)
            header = request.headers.get(INDIVIDUAL, "")

            def unit(connection: Connection) -> tuple[int, bytes]:
                catalogue = registry.snapshot(connection)
                if not catalogue.is_active(agency):
                    raise Problem(403, "This agency takes no part at present.")
                is_open = registry.ledger.fence.is_open(connection)
                found = (catalogue, ring, issuer, clock.now(), agency, by, is_open)
                done = act(Ask(connection, *found, request.path_params, query, body, header))
                return 200, msgspec.json.encode(done)

            return Response(await _perform(registry, ring, request, by, [header, body], unit), headers=_HEADERS)

        return run

    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one[1], {})[one[0]] = one
    # What is fixed before what is a parameter: "draft" is no record's id.
    ordered = sorted(by_path.items(), key=lambda found: found[0].count("{"))
    made = [Route(BASE + path, endpoint(found), methods=list(found)) for path, found in ordered]

    async def other(request: Request) -> Response:
        if any(one.matches(request.scope)[0] is Match.PARTIAL for one in made):
            raise Problem(405)
        raise Problem(400, "GovStack's file has no such address.")

    return [*made, Route(BASE + "/{rest:path}", other, methods=_METHODS)]


_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}


async def _perform(
    registry: Registry, ring: Ring, request: Request, by: str, asked: list[Any], unit: effects.Effect
) -> bytes:
    """What reads is read; what changes something is done once for an Idempotency-Key."""
    if request.method in ("GET", "HEAD"):
        return (await registry.database.read(unit))[1]
    return (await effects.keyed(registry, ring.sealer, request, by, asked, unit))[1]


async def _input(
    request: Request, parameters: frozenset[str], *, has_body: bool
) -> tuple[Mapping[str, str], dict[str, Any]]:
    """Query and body. Problem 400 for whatever is wrong with either."""
    query = parse_query(request)
    if not parameters.issuperset(query):
        known = ", ".join(sorted(parameters)) or "none"
        raise Problem(400, f"There are query parameters that this operation does not have. It has: {known}.")
    if not has_body:
        return query, {}
    try:
        body: dict[str, Any] = await read_json(request, dict[str, Any])
    except Problem as error:
        raise Problem(400, error.detail, errors=error.errors) from error
    return query, body
