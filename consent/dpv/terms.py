"""Our words in the Data Privacy Vocabulary 2 (w3id.org/dpv) and its extension for the GDPR."""

from __future__ import annotations

from collections.abc import Mapping

CONTEXT: Mapping[str, str] = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
"""In each document itself: whoever reads it fetches nothing."""
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"

STATUS: Mapping[str, str] = {
    "given": "dpv:ConsentGiven",
    "refused": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
    # "Expired" is the vocabulary's word for a validity that ended in time or by its context.
    "expired": "dpv:ConsentExpired",
    "used": "dpv:ConsentExpired",
    "replaced": "dpv:ConsentExpired",
}
BASIS: Mapping[str, tuple[str, str]] = {
    "consent": ("dpv:ExplicitlyExpressedConsent", "eu-gdpr:A6-1-a"),
    "contract": ("dpv:Contract", "eu-gdpr:A6-1-b"),
    "legal_obligation": ("dpv:LegalObligation", "eu-gdpr:A6-1-c"),
    "vital_interest": ("dpv:VitalInterest", "eu-gdpr:A6-1-d"),
    "public_task": ("dpv:OfficialAuthorityOfController", "eu-gdpr:A6-1-e"),
    "legitimate_interest": ("dpv:LegitimateInterest", "eu-gdpr:A6-1-f"),
}
"""By legal basis: the vocabulary's word and the letter of GDPR art. 6(1)."""
SENSITIVITY: Mapping[str, str] = {
    "ordinary": "dpv:PersonalData",
    "financial": "dpv:SensitivePersonalData",
    "special": "dpv:SpecialCategoryPersonalData",
}
RIGHTS = ("eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A18", "eu-gdpr:A20", "eu-gdpr:A77")
COUNTRY = {"@id": "loc:NL"}
AUTHORITY = {
    "@id": "https://autoriteitpersoonsgegevens.nl",
    "@type": "dpv:DataProtectionAuthority",
    "dpv:hasName": "Autoriteit Persoonsgegevens",
    "dpv:hasContact": "https://autoriteitpersoonsgegevens.nl",
}
