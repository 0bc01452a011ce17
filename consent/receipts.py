"""Receipts: what the citizen holds in hand about one event of a consent, signed, with the fields of ISO/IEC TS 27560.

A receipt names the leaf that the ledger will contain; its inclusion proof comes with the ledger's tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from consent.catalogue import Catalogue
from consent.records import receipt_id
from keys import jose
from keys.ring import Ring

TYP = "receipt+jwt"
SCHEMA = "ISO/IEC TS 27560:2023"
_STATES = {"given": "consent given", "refused": "consent refused", "withdrawn": "consent withdrawn"}


def claims(event: Mapping[str, Any], catalogue: Catalogue, *, sub: str, issuer: str, now: datetime) -> dict[str, Any]:
    """The receipt of one event of the register.

    `sub`: the citizen as the recipient knows him. The registry's own name for him stays inside: a receipt that is
    shown to two agencies must not tell them that it is the same person.
    """
    purpose = catalogue.versions[event["purpose"], event["purpose_version"]]
    category = catalogue.categories[event["category"]]
    recipient, source = catalogue.agencies[event["agency"]], catalogue.agencies[category.source]
    language = event["language"]
    duration = int((event["expires_at"] - event["at"]).total_seconds()) if event["expires_at"] else None
    return {
        "iss": issuer,
        "jti": receipt_id(event["consent"], event["seq"]),
        "iat": int(now.timestamp()),
        "schema_version": SCHEMA,
        "record_id": event["consent"],
        "pii_principal_id": sub,
        "language": language,
        "privacy_notice_hash": event["notice_hash"],
        "collection_method": event["channel"],
        "purpose": {
            "id": purpose.id,
            "version": purpose.version,
            "hash": purpose.hash,
            "title": purpose.title[language],
        },
        "lawful_basis": {"basis": purpose.legal_basis, "statute": purpose.statute},
        "pii_information": [{"type": category.id, "name": category.name[language], "source": source.id}],
        "pii_controllers": [_party(recipient), _party(source)],
        "recipient_third_parties": [],
        "validity_duration_s": duration,
        "expires_at": _time(event["expires_at"]),
        "withdrawal_method": f"{issuer}/my/consents/{event['consent']}",
        "jurisdiction": "NL",
        "event": {
            "type": event["type"],
            "state": _STATES[event["type"]],
            "time": _time(event["at"]),
            "revision": event["seq"],
        },
        "leaf": event["leaf"],
    }


def sign(ring: Ring, receipt: Mapping[str, Any]) -> str:
    """A compact JWS of type receipt+jwt, which any JOSE library verifies. It has no `exp`: a proof does not expire."""
    return jose.sign(receipt, ring.active(), typ=TYP)


def _party(agency: Any) -> dict[str, str]:
    return {"id": agency.id, "oin": agency.oin, "contact": agency.contact}


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
