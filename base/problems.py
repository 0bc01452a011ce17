"""Refusals: one exception, and its wire form for APIs (RFC 9457 problem details).

Raise `Problem` anywhere below a route. `base.web` gives it the form that the address speaks: problem+json for the APIs,
the JSON of RFC 6749 for the OAuth endpoints, a page for people. The detail is a fixed sentence: no input of others, no
personal data, nothing of the inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

API_VERSION = "1.0.0"
"""The full version that every response under /consent/v1 names (Dutch API Design Rules)."""

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal that may be shown to the caller.

    `status`: HTTP status. `detail`: a sentence for the caller. `type`: a URI or `about:blank`.
    `errors`: what is wrong with the input, one mapping each (`in`, `location`, `detail`).
    `members`: further members of the problem document. `error`: the RFC 6749 code at an OAuth endpoint.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str = "",
        type: str = "about:blank",
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        error: str = "invalid_request",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail or SENTENCES.get(status, self.title + ".")
        self.type = type
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        self.error = error

    def document(self, request_id: str = "") -> dict[str, Any]:
        """The problem details object; `instance` is the request id as a URN, never a path with identifiers."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if request_id:
            document["instance"] = f"urn:regie:request:{request_id}"
        if self.errors:
            document["errors"] = [dict(error) for error in self.errors]
        return {**self.members, **document}


SENTENCES: Mapping[int, str] = {
    400: "The request is not valid.",
    401: "Credentials are missing or not valid.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not support that method.",
    406: "The requested representation is not available.",
    408: "The request took too long to arrive.",
    409: "The request conflicts with the present state.",
    413: "The request body is too large.",
    414: "The address is too long.",
    415: "The content type of the body is not supported here.",
    421: "This host is not served here.",
    422: "The request cannot be processed.",
    429: "Too many requests. Try again later.",
    431: "The request headers are too large.",
    500: "Something went wrong on our side.",
    503: "The service is busy. Try again later.",
}
"""Fixed sentences for those who speak an API; pages have their own, in the reader's language."""


def response(problem: Problem, request_id: str = "") -> Response:
    """The problem as application/problem+json."""
    return Response(
        msgspec.json.encode(problem.document(request_id)),
        problem.status,
        {**problem.headers, "content-type": CONTENT_TYPE, "api-version": API_VERSION},
    )
