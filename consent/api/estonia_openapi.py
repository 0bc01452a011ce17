"""The OpenAPI document of /estonia/api, which Estonia's own documentation has in prose alone."""

from __future__ import annotations

from typing import Any

import msgspec

from consent.api import estonia_shapes as shapes
from consent.api.estonia_consents import CHECK, REDEEM, REQUEST
from consent.api.openapi import LICENSE, SENTENCES, finished, security
from consent.idempotent import KEY

PATH = "/estonia/openapi.json"
VERSION = "2.0.0"
"""Of Estonia's description, that these verbs follow."""
_REFERENCE = {
    "name": "consentReference",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
}
_KEY = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "pattern": KEY}}

# Method, path, verb, what it does, scope, body, answer, parameters, refusals beyond those of every one of them.
_OPERATIONS: tuple[tuple[str, str, str, str, str, Any, Any, tuple[Any, ...], tuple[int, ...]], ...] = (
    ("post", "/consent", "getConsentGroupReference", "Ask a citizen whom you know; send him to `url`.", REQUEST, shapes.GroupRequest, shapes.GroupAnswer, (_KEY,), (404, 409, 422)),
    ("post", "/consent/representation", "getConsentGroupReferenceRepresentable", "The same, about a child.", REQUEST, shapes.RepresentationRequest, shapes.GroupAnswer, (_KEY,), (404, 409, 422)),
    ("post", "/consent/reference", "getConsentReferences", "By purpose, the reference of what is allowed now.", CHECK, shapes.ReferencesRequest, dict[str, str], (), (404,)),
    ("get", "/consent/validation/client", "validateConsentForClient", "Whether a reference of yours is allowed now; leaves no trace.", CHECK, None, shapes.ClientStanding, (_REFERENCE,), (404, 409)),
    ("post", "/consent/filter-by-status", "postConsentFilterByStatus", "How up to 5,000 references stand.", CHECK, shapes.FilterRequest, shapes.FilterAnswer, (), ()),
    ("get", "/consent/validation/dataprovider", "validateConsentForDataProvider", "As the source: may you give it? Each time you ask is a use that the citizen sees.", REDEEM, None, shapes.ReleaseAnswer, (_REFERENCE,), (404, 409)),
    ("post", "/reporting/consent", "reportDataTransmission", "As the source: that you gave it, and when.", REDEEM, shapes.ReportRequest, shapes.ReportAnswer, (_KEY,), (404, 409, 422)),
    ("get", "/consent/health", "getConsentHealth", "DOWN while the register is being reconciled.", "", None, shapes.HealthAnswer, (), ()),
    ("get", "/reporting/health", "getReportingHealth", "The same.", "", None, shapes.HealthAnswer, (), ()),
)  # fmt: skip


def document(issuer: str) -> bytes:
    kinds = [shapes.EstonianProblem, *(kind for one in _OPERATIONS for kind in one[5:7] if kind is not None)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema = dict(zip((str(kind) for kind in kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for method, path, verb, summary, scope, body, told, parameters, refusals in _OPERATIONS:
        wrong = {400, 406, 503, *refusals, *((401, 403) if scope else ()), *((413, 415) if body is not None else ())}
        answers = {200: schema[str(told)], **{status: schema[str(shapes.EstonianProblem)] for status in sorted(wrong)}}
        operation: dict[str, Any] = {
            "operationId": verb,
            "summary": summary,
            "responses": {str(status): _answer(status, one) for status, one in answers.items()},
        }
        if parameters:
            operation["parameters"] = list(parameters)
        if body is not None:
            content = {"application/json": {"schema": schema[str(body)]}}
            operation["requestBody"] = {"required": True, "content": content}
        if scope:
            operation["security"] = [{"oauth2": [scope]}]
        paths.setdefault(path, {})[method] = operation
    info = {"title": "Estonia's consent service, spoken by Regie", "version": VERSION, "license": LICENSE}
    return finished(
        {
            "openapi": "3.1.0",
            "info": info,
            "servers": [{"url": f"{issuer}/estonia/api"}],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": security(issuer, (REQUEST, CHECK, REDEEM))},
        }
    )


def _answer(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    kind = "application/json" if status == 200 else "application/problem+json"
    return {"description": SENTENCES.get(status, "Done."), "content": {kind: {"schema": schema}}}
