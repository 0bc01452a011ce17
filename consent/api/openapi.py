"""The OpenAPI document of /consent/v1, made from the shapes that the code itself reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from base.problems import API_VERSION
from consent.api import complaints, event_shapes, event_streams, offline, records, reports, requests, shapes
from consent.idempotent import KEY

_OPERATIONS: tuple[tuple[str, str, str, str, Any, dict[int, Any]], ...] = (
    ("post", "/checks", "check", "May this data of this citizen be used for this purpose now?", shapes.CheckRequest, {200: shapes.CheckAnswer}),
    ("post", "/checks/bulk", "bulk", "The same of up to 5,000 at once, answered in their order.", shapes.BulkRequest, {200: shapes.BulkAnswer}),
    ("post", "/permits", "permit", "Ask a permit for one use, within 30 seconds.", shapes.PermitRequest, {201: shapes.PermitAnswer}),
    ("post", "/permits/redemptions", "redeem", "Take a permit as its source, once.", shapes.RedemptionRequest, {200: shapes.RedemptionAnswer}),
    ("post", "/permits/reports", "report", "Say what became of a permit that you were given, once.", reports.ReportRequest, {200: reports.ReportAnswer}),
    ("post", "/requests", "lodge", "Ask a citizen whom you know, for when he has time.", requests.LodgeRequest, {201: requests.LodgedAnswer}),
    ("get", "/requests/{request}", "request", "What became of a request.", None, {200: requests.RequestState}),
    ("delete", "/requests/{request}", "take-back", "Ask no more: the link serves no longer.", None, {204: None}),
    ("get", "/records/{record}", "record", "A consent that you were given, in terms of ISO/IEC TS 27560.", None, {200: records.RecordAnswer}),
    ("post", "/artefacts", "artefact", "A signed consent, to verify without asking.", offline.ArtefactRequest, {201: offline.ArtefactAnswer}),
    ("post", "/event-streams", "add-stream", "Hear what becomes of consents that concern you.", event_shapes.StreamRequest, {201: event_shapes.StreamAnswer}),
    ("get", "/event-streams", "streams", "Your event streams.", None, {200: event_shapes.StreamList}),
    ("get", "/event-streams/{stream}", "stream", "One event stream.", None, {200: event_shapes.StreamAnswer}),
    ("put", "/event-streams/{stream}", "change-stream", "Say anew what you want to hear.", event_shapes.StreamRequest, {200: event_shapes.StreamAnswer}),
    ("delete", "/event-streams/{stream}", "remove-stream", "End a stream, with all that waits in it.", None, {204: None}),
    ("post", "/event-streams/{stream}/poll", "poll", "Acknowledge events and get the next (RFC 8936).", event_shapes.PollRequest, {200: event_shapes.PollAnswer}),
    ("get", "/event-streams/{stream}/deliveries", "deliveries", "What became of the newest events of a stream.", None, {200: event_shapes.DeliveryList}),
    ("post", "/event-streams/{stream}/verifications", "verify-stream", "Ask for an event about the stream itself.", event_shapes.VerificationRequest, {202: event_shapes.VerificationAnswer}),
    ("post", "/event-streams/{stream}/replays", "replay", "Get again what you acknowledged.", event_shapes.ReplayRequest, {200: event_shapes.ReplayAnswer}),
    ("get", "/complaints", "complaints", "What citizens wrote to you about a use, and waits for your answer.", None, {200: complaints.ComplaintList}),
    ("post", "/complaints/{complaint}/answers", "reply", "Answer a complaint or a request to delete, once.", complaints.ComplaintReply, {201: complaints.ComplaintReplied}),
    ("get", "/complaints/{complaint}", "complaint", "One of them, with what it is about; it was seen from then on.", None, {200: complaints.ComplaintAnswer}),
    ("get", "/agencies", "agencies", "The agencies that take part.", None, {200: shapes.AgencyList}),
    ("get", "/categories", "categories", "The kinds of data, each with the agency that it comes from.", None, {200: shapes.CategoryList}),
    ("get", "/purposes", "purposes", "The purposes that are published, and those that ended.", None, {200: shapes.PurposeList}),
    ("get", "/purposes/{purpose}", "purpose", "One purpose that is published, or was.", None, {200: shapes.PurposeAnswer}),
)  # fmt: skip
_SCOPES = {
    "check": "consent:check",
    "bulk": "consent:check",
    "permit": "consent:permit",
    "redeem": "consent:redeem",
    "report": reports.SCOPE,
    "lodge": requests.SCOPE,
    "request": requests.SCOPE,
    "take-back": requests.SCOPE,
    "record": records.SCOPE,
    "artefact": records.SCOPE,
    **dict.fromkeys(
        (
            "add-stream",
            "streams",
            *(
                _OF_STREAM := (
                    "stream",
                    "change-stream",
                    "remove-stream",
                    "poll",
                    "deliveries",
                    "verify-stream",
                    "replay",
                )
            ),
        ),
        event_streams.SCOPE,
    ),
    "complaints": complaints.SCOPE,
    "complaint": complaints.SCOPE,
    "reply": complaints.SCOPE,
}
LICENSE = {"name": "EUPL-1.2", "identifier": "EUPL-1.2"}
_ID = "^[A-Za-z0-9_-]{22}$"
_NAMES = {"request": _ID, "record": _ID, "complaint": _ID, "stream": _ID, "purpose": "^[a-z][a-z0-9-]{1,62}$"}
"""What stands in a path."""
SENTENCES = {
    400: "The request is not valid.",
    401: "A valid access token is needed.",
    403: "Not allowed, or denied by the registry (`reason`).",
    404: "There is none of this name.",
    406: "This API answers in application/json.",
    409: "It was done before, is under way, or there is too much of it already.",
    413: "The body is too large.",
    415: "The body must be JSON.",
    422: "The Idempotency-Key was used for another request, or `atLeastAsFresh` is no consistencyToken of ours.",
    503: "Busy; nothing was done. Try again.",
}


def document(issuer: str, mtls_address: str = "") -> bytes:
    """The whole document, JSON. `mtls_address`: where callers with certificate-bound tokens come, if there is one."""
    kinds = [shapes.ProblemAnswer]
    for *_, body, answers in _OPERATIONS:
        kinds += [kind for kind in (body, *answers.values()) if kind is not None]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for method, path, operation, summary, body, answers in _OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(method, path, operation, summary, body, answers)
    return finished(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Regie consent registry",
                "version": API_VERSION,
                "description": "Who may use which personal data for which purpose. No use without a record.",
                "contact": {"name": "Regie", "url": issuer},
                "license": LICENSE,
            },
            "servers": [{"url": f"{base}/consent/v1"} for base in (issuer, mtls_address) if base],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": security(issuer, _SCOPES.values()),
            },
        }
    )


def security(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Tokens of an agency's own."""
    flow = {"tokenUrl": f"{issuer}/oauth2/token", "scopes": {scope: scope for scope in scopes}}
    return {"oauth2": {"type": "oauth2", "flows": {"clientCredentials": flow}}}


def finished(document: Mapping[str, Any]) -> bytes:
    # The end of a text is written otherwise in JSON Schema (ECMA-262) than in Python.
    return msgspec.json.encode(document).replace(msgspec.json.encode(shapes.END)[1:], b'$"')


def _operation(
    method: str, path: str, operation: str, summary: str, body: Any, answers: dict[int, Any]
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "operationId": operation,
        "summary": summary,
        "responses": {str(status): _answer("Done.", kind, "application/json") for status, kind in answers.items()},
    }
    refusals = [400, 406, 413, 503]
    if body is not None:
        name = body.__name__
        schema: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"}
        result["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        refusals.append(415)
    if operation in _SCOPES:
        result["security"] = [{"oauth2": [_SCOPES[operation]]}]
        refusals += [401, 403]
    if operation in ("check", "bulk"):
        refusals.append(422)
    if method in ("post", "delete") and operation not in ("check", "bulk", "poll", "replay"):
        refusals += [409, 422]
        schema = {"type": "string", "pattern": KEY}
        result["parameters"] = [{"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema}]
    if operation in (
        "purpose",
        "request",
        "take-back",
        "record",
        "report",
        "lodge",
        "artefact",
        "complaint",
        "reply",
        *_OF_STREAM,
    ):
        refusals.append(404)
    named = [
        {"name": one, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for one, pattern in _NAMES.items()
        if f"{{{one}}}" in path
    ]
    if named:
        result["parameters"] = [*named, *result.get("parameters", [])]
    for status in sorted(refusals):
        result["responses"][str(status)] = _answer(SENTENCES[status], shapes.ProblemAnswer, "application/problem+json")
    return result


def _answer(description: str, kind: Any, media_type: str) -> dict[str, Any]:
    """`kind` None: without a body."""
    version = {"API-Version": {"schema": {"type": "string"}, "description": "The full version of this API."}}
    if kind is None:
        return {"description": description, "headers": version}
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"description": description, "headers": version, "content": {media_type: {"schema": schema}}}
