"""What goes over the wire at /estonia/api, as types; its OpenAPI document is made from the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from consent.api.shapes import END, Slug, Sub, words

Reference = Annotated[str, msgspec.Meta(pattern=f"^[!-~]{{1,64}}{END}", max_length=64)]
"""Whatever a caller may hold for one: what cannot be a reference is told as one that there is not."""
Purposes = Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=10)]
Address = Annotated[str, msgspec.Meta(pattern=f"^https?://[!-~]+{END}", max_length=2_000)]


class GroupRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    id_code: Sub
    callback: Address
    purpose_declaration_business_identifiers: Purposes


class RepresentationRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    representative_id_code: Sub
    representee_id_code: Sub
    relation_type: Annotated[str, words(max_length=64)]
    callback: Address
    purpose_declaration_business_identifiers: Purposes


class ReferencesRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    id_code: Sub
    purpose_declaration_business_identifiers: Purposes


class FilterRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    consent_status: Annotated[list[Literal["VALID", "INVALID"]], msgspec.Meta(min_length=1, max_length=2)]
    consent_references: Annotated[list[Reference], msgspec.Meta(min_length=1, max_length=5_000)]


class ReportRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    transmission_timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    consent_reference: Reference


class GroupAnswer(msgspec.Struct, rename="camel"):
    """`url`: where to send the citizen; told this once."""

    consent_group_reference: str
    url: str


class ClientStanding(msgspec.Struct, rename="camel"):
    """What is allowed now, and until when."""

    consent_reference: str
    consent_expiration: str
    id_code: str
    purpose_declaration_id: str


class Standing(msgspec.Struct, rename="camel", omit_defaults=True):
    """One of the asking agency's references. `consentExpiration`: of what was ever allowed."""

    consent_reference: str
    consent_status: Literal["APPROVED", "DECLINED", "EXPIRED", "INAPPLICABLE"]
    id_code: str
    purpose_declaration_id: str
    consent_expiration: str | None = None


class FilterAnswer(msgspec.Struct, rename="camel"):
    """`invalidConsents`: references that are none of the asking agency's."""

    consent: list[Standing]
    invalid_consents: list[str]


class ReleaseAnswer(msgspec.Struct, rename="camel"):
    """`data`: what may be given, before `transmitBefore`; `ledgerLeaf`: what proves that it was asked."""

    consent_reference: str
    consent_expiration: str
    id_code: str
    client_subsystem_identifier: str
    service_declaration_id: str
    data: list[str]
    purpose: str
    purpose_version: int
    transmit_before: str
    ledger_leaf: str


class ReportAnswer(msgspec.Struct):
    response: Literal["success"]


class HealthAnswer(msgspec.Struct):
    status: Literal["UP", "DOWN"]


class EstonianProblem(msgspec.Struct, omit_defaults=True, rename="camel"):
    """RFC 9457, with the protocol's own code and key where it has them."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    error_code: str = ""
    error_key: str = ""
    errors: list[dict[str, str]] = []
