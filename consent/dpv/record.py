"""One consent as a record (profile dpv-27560:record-eu-gdpr), and one use on another legal basis as a process.

The fields are those that ISO/IEC TS 27560 or the GDPR demand, as the guide "Consent Records and Receipts" of the DPV
community group lists them. What the catalogue does not say is said from what it does: see docs/dpv.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from base.database import Connection
from consent import acting
from consent.catalogue import Agency, Catalogue, Category, Purpose
from consent.dpv.terms import AUTHORITY, BASIS, CONTEXT, COUNTRY, PROFILE, RIGHTS, SENSITIVITY, STATUS
from consent.store import records, uses
from consent.store.records import Record
from consent.store.uses import Use
from keys.derive import Pseudonyms

RECORDS = "/consent/v1/records"
LIMIT = 500
"""Consents, and uses, of one citizen's document: the newest."""


def of_agency(
    connection: Connection,
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    record_id: str,
    agency: str,
    *,
    issuer: str,
    now: datetime,
) -> dict[str, Any] | None:
    """By id and recipient together: another agency's record, and a forgotten citizen's, is as if it were not there."""
    found = records.of_agency(connection, record_id, agency)
    if found is None:
        return None
    events = records.events(connection, found.id)
    return document(found, events, catalogue, pseudonyms, issuer=issuer, now=now)


def of_citizen(
    connection: Connection,
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    citizen: str,
    *,
    issuer: str,
    now: datetime,
) -> dict[str, Any]:
    """All of one citizen: his consents, and what was done on another legal basis, which he could not allow or deny."""
    consents = [
        document(one, records.events(connection, one.id), catalogue, pseudonyms, issuer=issuer, now=now)
        for one in records.of_citizen(connection, citizen, limit=LIMIT)
    ]
    others = [
        process_of(one, catalogue, pseudonyms.pairwise(citizen, one.recipient), issuer=issuer)
        for one in uses.of_citizen(connection, citizen, before=None, limit=LIMIT, decision="allowed")
        if one.legal_basis in BASIS and one.legal_basis != "consent"
    ]
    graph = [{name: value for name, value in one.items() if name != "@context"} for one in (*consents, *others)]
    return {"@context": CONTEXT, "@graph": graph}


def document(
    record: Record,
    events: Sequence[Mapping[str, Any]],
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    *,
    issuer: str,
    now: datetime,
) -> dict[str, Any]:
    """The record of one consent. The citizen stands in it as its recipient knows him."""
    purpose = catalogue.versions[record.purpose, record.purpose_version]
    category = catalogue.categories[record.category]
    recipient = catalogue.agencies[record.agency]
    sub = pseudonyms.pairwise(record.citizen, record.agency)
    subject = {"@type": "dpv:DataSubject", "dct:identifier": sub}
    process = _process(purpose, [category], recipient, catalogue, record.language)
    process |= {
        "dpv:hasConsentControl": {
            "@id": f"{issuer}/my/consents/{record.id}/withdraw",
            "@type": "dpv:WithdrawConsent",
        },
        "dpv:hasRight": [{"@id": right} for right in RIGHTS],
        "dpv:hasAuthority": AUTHORITY,
    }
    return {
        "@context": CONTEXT,
        "@id": f"{issuer}{RECORDS}/{record.id}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": PROFILE},
        "dct:identifier": record.id,
        "dct:language": record.language,
        "dpv:hasDataSubject": subject,
        "dpv:hasNotice": {
            # RFC 6920: named by the SHA-256 of exactly what was shown.
            "@id": f"ni:///sha-256;{record.notice_hash}",
            "@type": "dpv:ConsentNotice",
            "dct:language": record.language,
        },
        "dpv:hasProcess": process,
        "dpv:hasConsentStatus": {"@id": STATUS[state_of(record, now)]},
        "dct:hasPart": [_event(one, sub, issuer) for one in events],
    }


def state_of(record: Record, now: datetime) -> str:
    """How a record stands at this moment. Expiry comes first: nothing that has ended counts, whatever else is said."""
    if record.state != "given":
        return record.state
    if record.expires_at is None or now >= record.expires_at:
        return "expired"
    return "given" if record.current else "replaced"


def process_of(use: Use, catalogue: Catalogue, sub: str, *, issuer: str) -> dict[str, Any]:
    """One use on a legal basis that asks no permission: there is no status and no control of a consent in it."""
    purpose = catalogue.versions[use.purpose, use.purpose_version]
    categories = [catalogue.categories[one] for one in use.categories]
    process = _process(purpose, categories, catalogue.agencies[use.recipient], catalogue, "en")
    return {
        **process,
        "@id": f"{issuer}/my/receipts/{use.leaf}",
        "dct:date": _time(use.at),
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": sub},
    }


def _process(
    purpose: Purpose, categories: Sequence[Category], recipient: Agency, catalogue: Catalogue, language: str
) -> dict[str, Any]:
    sources = {one.source: catalogue.agencies[one.source] for one in categories}
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "dct:identifier": f"{purpose.id} {purpose.version} {purpose.hash}",
            "dct:title": {"@value": purpose.title[language], "@language": language},
        },
        "dpv:hasLegalBasis": [{"@id": one} for one in BASIS[purpose.legal_basis]],
        "dct:source": purpose.statute_url or purpose.statute,
        "dpv:hasPersonalData": [
            {
                "@type": SENSITIVITY[one.sensitivity],
                "dct:identifier": one.id,
                "dct:title": {"@value": one.name[language], "@language": language},
                "dpv:hasNecessity": {"@id": "dpv:Required"},
            }
            for one in categories
        ],
        "dpv:hasProcessing": [{"@id": "dpv:Obtain"}, {"@id": "dpv:Use"}],
        "dpv:hasDataController": _party(recipient, "dpv:DataController", language),
        "dpv:hasDataSource": [_party(one, "dpv:DataSource", language) for one in sources.values()],
        "dpv:hasRecipient": [
            _party(recipient, "dpv:Recipient", language),
            *({"@type": "dpv:ThirdParty", "dpv:hasName": one[language]} for one in purpose.recipients),
        ],
        "dpv:hasStorageCondition": _storage(purpose),
        "dpv:hasLocation": COUNTRY,
        "dpv:hasJurisdiction": COUNTRY,
    }


def _storage(purpose: Purpose) -> dict[str, Any]:
    """For how many days, where the catalogue says so; else as the law that the purpose rests on has it."""
    if purpose.retention_days is not None:
        period = {"@value": f"P{purpose.retention_days}D", "@type": "xsd:duration"}
    else:
        period = {"@value": purpose.statute}
    duration = {"@type": "dpv:StorageDuration", "dct:description": period}
    return {"@type": "dpv:StorageCondition", "dpv:hasDuration": duration, "dpv:hasLocation": COUNTRY}


def _party(agency: Agency, role: str, language: str) -> dict[str, Any]:
    return {
        "@id": f"urn:oin:{agency.oin}",
        "@type": ["dpv:LegalEntity", role],
        "dct:identifier": agency.oin,
        "dpv:hasName": {"@value": agency.name[language], "@language": language},
        "dpv:hasAddress": agency.url or agency.contact,
        "dpv:hasContact": agency.contact,
    }


def _event(event: Mapping[str, Any], sub: str, issuer: str) -> dict[str, Any]:
    """`dct:valid`: until when it holds; for what ends a consent, the moment itself."""
    if event["type"] == "used":
        by = {"@type": "dpv:DataController", "dct:identifier": event["agency"]}
    elif event["acting"] == acting.GUARDIAN:
        # Which guardian is nobody's business but the register's.
        by = {"@type": "dpv:GuardianOfDataSubject"}
    else:
        by = {"@type": "dpv:DataSubject", "dct:identifier": sub}
    return {
        "@id": f"{issuer}{RECORDS}/{event['consent']}#{event['seq']}",
        "@type": "dpv:ExplicitlyExpressedConsent",
        "dct:date": _time(event["at"]),
        "dct:valid": _time(event["expires_at"] or event["at"]),
        "dpv:hasConsentStatus": {"@id": STATUS[event["type"]]},
        "dpv:isImplementedByEntity": by,
    }


def _time(at: datetime) -> dict[str, str]:
    return {"@value": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "@type": "xsd:dateTime"}
