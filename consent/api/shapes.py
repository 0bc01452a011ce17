"""What goes over the wire, as types; the OpenAPI document is made from the same."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.forms import MAX_BODY, no_query, read_json
from base.problems import API_VERSION
from consent.api.reasons import Reason
from consent.checks import Decision
from consent.freshness import PATTERN

END = r"\Z"


def _text(pattern: str, *, max_length: int) -> msgspec.Meta:
    """Text that is this pattern from end to end: Python's `$` lets a line break pass (JSON Schema's, `END`, does not)."""
    return msgspec.Meta(pattern=f"^{pattern}{END}", max_length=max_length)


def words(*, max_length: int, sign: str = "") -> msgspec.Meta:
    """What people write: anything but U+0000, which no body may hold (base.forms); with such a sign at least."""
    anything = r"[^\x00]*"
    return _text(f"{anything}{sign}{anything}" if sign else anything, max_length=max_length)


Slug = Annotated[str, _text("[a-z][a-z0-9-]{1,62}", max_length=63)]
Sub = Annotated[str, _text("[A-Za-z0-9_-]{43}", max_length=43)]
Version = Annotated[float, msgspec.Meta(ge=1, le=1_000_000, multiple_of=1)]
"""A whole number, 1.0 too: JSON knows no other kind, and some libraries write it so."""
Data = Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=30)]
Token = Annotated[str, _text(PATTERN, max_length=32)]
Jwt = Annotated[str, _text(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", max_length=8_192)]


class CheckRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """May we use this now? `purposeVersion`: the version you mean; when another is published the answer is no.

    `atLeastAsFresh`: a consistencyToken; the answer is from a state at least that new.
    """

    sub: Sub
    purpose: Slug
    data: Data
    purpose_version: Version | None = None
    at_least_as_fresh: Token | None = None


class CheckItem(msgspec.Struct, omit_defaults=True):
    category: str
    decision: Literal["allowed", "denied"]
    reason: Reason
    consent: str | None = None


def items(decision: Decision) -> list[CheckItem]:
    return [CheckItem(one.category, one.decision, one.reason, one.consent) for one in decision.items]  # type: ignore[arg-type]  # of the same words


class CheckAnswer(msgspec.Struct, rename="camel"):
    """`revision`: what of the register was seen; `consistencyToken` says it to whoever is asked next. `checkedAt`: UTC."""

    decision: Literal["allowed", "denied"]
    reason: Reason
    items: list[CheckItem]
    revision: int
    consistency_token: str
    checked_at: str


class BulkRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Many checks at once, of any of the agency's citizens and purposes."""

    checks: Annotated[list[CheckRequest], msgspec.Meta(min_length=1, max_length=5_000)]


class BulkAnswer(msgspec.Struct):
    """One answer for each check, in the order asked."""

    checks: list[CheckAnswer]


class PermitRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A permit to get this data from this source, once, within 30 seconds.

    `purposeVersion`, `atLeastAsFresh`: as for a check.
    """

    sub: Sub
    purpose: Slug
    data: Data
    source: Slug
    purpose_version: Version | None = None
    at_least_as_fresh: Token | None = None


class PermitAnswer(msgspec.Struct, rename="camel"):
    permit: str
    permit_id: str
    expires_at: str
    revision: int
    consistency_token: str


class RedemptionRequest(msgspec.Struct, forbid_unknown_fields=True):
    permit: Jwt


class RedemptionAnswer(msgspec.Struct, rename="camel"):
    """`sub`: the citizen as the source knows him."""

    permit_id: str
    sub: str
    recipient: str
    purpose: str
    data: list[str]
    redeemed_at: str


class AgencyAnswer(msgspec.Struct):
    id: str
    oin: str
    name: dict[str, str]
    contact: str
    url: str


class CategoryAnswer(msgspec.Struct):
    """A kind of data. `source`: the agency that it comes from, and that a permit for it names."""

    id: str
    source: str
    name: dict[str, str]
    description: dict[str, str]
    sensitivity: Literal["ordinary", "financial", "special"]


class CategoryList(msgspec.Struct):
    categories: list[CategoryAnswer]


class Recipient(msgspec.Struct):
    name: dict[str, str]


class FrequencyAnswer(msgspec.Struct, rename="camel"):
    """So many uses in any so many days."""

    uses: int
    period_days: int


class PurposeAnswer(msgspec.Struct, rename="camel"):
    """`state`: retired, of a purpose that ended: nothing is asked or allowed for it any more."""

    id: str
    state: Literal["published", "retired"]
    version: int
    hash: str
    agency: str
    title: dict[str, str]
    explanation: dict[str, str]
    refusal: dict[str, str]
    legal_basis: str
    statute: str
    data: list[str]
    max_duration_days: int
    acr: str
    max_age: int | None
    statute_url: str
    retention_days: int | None
    recipients: list[Recipient]
    frequency: FrequencyAnswer | None


class AgencyList(msgspec.Struct):
    agencies: list[AgencyAnswer]


class PurposeList(msgspec.Struct):
    purposes: list[PurposeAnswer]


class ProblemAnswer(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `reason`: why it is refused. `items`: of a permit that is denied, why each kind of data is."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    reason: str = ""
    items: list[CheckItem] = []
    errors: list[dict[str, str]] = []


T = TypeVar("T")


async def read(request: Request, type_: type[T], *, limit: int = MAX_BODY) -> T:
    """What is asked, all of it in the body. See `base.forms.read_json`."""
    no_query(request)
    return await read_json(request, type_, limit=limit)


_JSON = (b"application/json", b"application/problem+json")


class Answer(Response):
    """A JSON body with its headers, already as the wire has them: half the cost of building them by name."""

    def __init__(self, body: bytes, status: int) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [
            (b"content-type", _JSON[status >= 400]),
            (b"api-version", API_VERSION.encode()),
            (b"content-length", str(len(body)).encode()),
        ]


def answer(body: Any, status: int = 200) -> Response:
    return Answer(msgspec.json.encode(body), status)


def raw(body: bytes, status: int) -> Response:
    """A body that was encoded before."""
    return Answer(body, status)
