"""The objects of the GovStack file that a caller sends, as far as they are read.

Members that we do not know pass, as the file has it; those that are known have the file's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from base.problems import Problem

Line = Annotated[str, msgspec.Meta(max_length=600)]
Long = Annotated[str, msgspec.Meta(max_length=20_000)]
T = TypeVar("T", bound=msgspec.Struct)


class Policy(msgspec.Struct, rename="camel", omit_defaults=True):
    id: Line
    name: Line
    version: Line
    url: Line
    jurisdiction: Line = ""
    industry_sector: Line = ""
    data_retention_period_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] | msgspec.UnsetType = msgspec.UNSET
    geographic_restriction: Line = ""
    storage_location: Line = ""


class Webhook(msgspec.Struct, rename="camel"):
    id: Line
    payload_url: Line
    content_type: Line
    disabled: bool
    secret_key: Line


class Individual(msgspec.Struct, rename="camel"):
    id: Line
    external_id: Line = ""
    external_id_type: Line = ""
    identity_provider_id: Line = ""


class Named(msgspec.Struct):
    """A reference to an object, by its id."""

    id: Line


class DataAttribute(msgspec.Struct):
    """A kind of data: `id` is a category of our catalogue (a member that the file lacks)."""

    id: Line


class DataAgreement(msgspec.Struct, rename="camel"):
    """`data_attributes`, `purpose_description`, `max_duration_days`: ours, since the file has no place for them."""

    id: Line
    version: Line
    purpose: Line
    lawful_basis: Line
    dpia: Line
    data_use: Line = ""
    active: bool = False
    forgettable: bool = False
    controller: Named | None = None
    policy: Named | None = None
    compatible_with_version: Named | None = None
    lifecycle: Named | None = None
    data_attributes: Annotated[list[DataAttribute], msgspec.Meta(max_length=30)] = []
    purpose_description: Line = ""
    max_duration_days: int = 365


class ConsentRecord(msgspec.Struct, rename="camel"):
    id: Line
    data_agreement_revision_hash: Line
    state: Line
    opt_in: bool | msgspec.UnsetType = msgspec.UNSET
    individual: Named | None = None
    data_agreement: Named | None = None


class Signature(msgspec.Struct, rename="camel"):
    id: Line
    payload: Long
    signature: Long
    verification_method: Line
    verification_payload: Long
    verification_payload_hash: Line
    verification_signed_by: Line
    timestamp: Line


def member(body: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """One object of a body, by its name. Problem 400."""
    if name not in body:
        raise Problem(400, "The body lacks an object.", errors=[{"in": "body", "location": f"$.{name}"}])
    try:
        return msgspec.convert(body[name], kind, strict=True)
    except msgspec.ValidationError as error:
        detail, _, place = str(error).partition(" - at ")
        location = f"$.{name}{place.strip('`').removeprefix('$')}"[:100]
        raise Problem(
            400,
            "An object of the body is not valid.",
            errors=[{"in": "body", "location": location, "detail": detail[:200]}],
        ) from error
