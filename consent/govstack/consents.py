"""ConsentRecord and Signature: a citizen's answers to one version of a purpose, as one object.

Nothing is stored here. A record's id is AGREEMENT.VERSION.INDIVIDUAL; it is `signed` once the citizen has answered on our
page, and until then `unsigned`, which allows nothing. Only the citizen says yes; an agency can give up what it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from consent import checks, records, seals
from consent.catalogue import PUBLISHED, Purpose
from consent.govstack import agreements, individuals, wire
from consent.govstack.asked import INDIVIDUAL, Ask, nothing, time, unsuited
from consent.govstack.revisions import hashed, revision
from consent.store import govstack
from keys import jose
from keys.errors import InvalidToken

METHOD = "JWS"
"""What `verificationMethod` says of ours; the file leaves its values open."""
TYP = "govstack-signature+jwt"
_ALGORITHMS = frozenset({"ES256", "PS256", "RS256"})
_ONLY_HE = "Only the citizen says yes, on the registry's own page: ask him there."


@dataclass(frozen=True, slots=True)
class Found:
    """One record: whose, on which version. `items`: the answers, oldest first; none while it is unsigned."""

    purpose: Purpose
    sub: str
    citizen: str
    items: tuple[dict[str, Any], ...]

    @property
    def id(self) -> str:
        return f"{agreements.name_of(self.purpose)}.{self.purpose.version}.{self.sub}"


# Verification and audit


def read(ask: Ask) -> dict[str, Any]:
    found = by_id(ask, ask.path["consentRecordId"])
    if not found.items:
        raise nothing()
    return _both(ask, found)


def listed(ask: Ask) -> dict[str, Any]:
    """Of every citizen of this agency, what counts now."""
    return _list(ask, _counted(ask, None))


# One individual


def create(ask: Ask) -> dict[str, Any]:
    """The record of this citizen on this agreement as it stands; unsigned until he answers."""
    found = _current(ask, ask.path["dataAgreementId"], ask.parameter("individualId"))
    _check_revision(ask, found)
    return _both(ask, found)


def draft(ask: Ask) -> dict[str, Any]:
    found = _current(ask, ask.parameter("dataAgreementId"), ask.parameter("individualId"))
    _check_revision(ask, found)
    return {"consentRecord": {**shape(ask, found), "id": ""}, "signature": {**signature(ask, found), "id": ""}}


def read_current(ask: Ask) -> dict[str, Any]:
    found = _current(ask, ask.path["dataAgreementId"], _individual(ask))
    if not found.items:
        raise nothing()
    return {"consentRecord": shape(ask, found)}


def list_mine(ask: Ask) -> dict[str, Any]:
    sub = _individual(ask)
    individuals.citizen_of(ask, sub)
    return _list(ask, _counted(ask, sub))


def list_versions(ask: Ask) -> dict[str, Any]:
    """What he ever answered on one agreement, newest version first."""
    sub, purpose = _individual(ask), agreements.require(ask, ask.path["dataAgreementId"])
    citizen, (offset, limit) = individuals.citizen_of(ask, sub), ask.page()
    versions = govstack.versions_answered(ask.connection, citizen, ask.agency, purpose.id)[offset : offset + limit]
    return _list(ask, [_found(ask, ask.catalogue.versions[purpose.id, one], sub, citizen) for one in versions])


def create_paired(ask: Ask) -> dict[str, Any]:
    sent, signed = ask.member("consentRecord", wire.ConsentRecord), ask.member("signature", wire.Signature)
    found = _meant(ask, sent)
    _check_signature(ask, found, signed, may_be_empty=True)
    found = _told(ask, found, sent)
    return {**_both(ask, found), "signature": signature(ask, found)}


def update(ask: Ask) -> dict[str, Any]:
    """`optIn` false gives up what the agency was given; true is only ever confirmed."""
    sent, found = ask.member("consentRecord", wire.ConsentRecord), by_id(ask, ask.path["consentRecordId"])
    if sent.id not in ("", found.id):
        raise unsuited("The id of the object is not that of the address.")
    return _both(ask, _told(ask, found, sent))


def delete_all(ask: Ask) -> dict[str, Any]:
    """All that this citizen gave this agency ends. The trail of it is the citizen's, and stays."""
    citizen = individuals.citizen_of(ask, _individual(ask))
    _give_up(ask, citizen, None)
    return {}


# Signatures


def create_signature(ask: Ask) -> dict[str, Any]:
    ask.member("signature", wire.Signature)
    return {"signature": signature(ask, by_id(ask, ask.path["consentRecordId"]))}


def update_signature(ask: Ask) -> dict[str, Any]:
    found = by_id(ask, ask.path["consentRecordId"])
    _check_signature(ask, found, ask.member("signature", wire.Signature), may_be_empty=False)
    return {"signature": signature(ask, found)}


def signature(ask: Ask, found: Found) -> dict[str, Any]:
    """The registry signs that this was answered; before the answer the payload is there and the signature is empty."""
    verified = found_revision(ask, found)["serializedSnapshot"]
    at = _at(ask, found)
    described = {
        "verificationPayload": verified,
        "verificationPayloadHash": hashed(verified),
        "verificationMethod": METHOD,
        "verificationSignedBy": f"{ask.issuer}/oauth2/jwks" if found.items else "",
        "timestamp": at,
        "signedWithoutObjectReference": False,
        "objectType": "revision",
        "objectReference": _revision_id(found),
    }
    payload = msgspec.json.encode(described, order="deterministic").decode()
    claims = {"iss": ask.issuer, "sub": found.id, "iat": int(ask.now.timestamp()), "payload_sha256": hashed(payload)}
    made = jose.sign(claims, ask.ring.active(), typ=TYP) if found.items else ""
    return {"id": f"{found.id}.signature", "payload": payload, "signature": made, **described}


def shape(ask: Ask, found: Found) -> dict[str, Any]:
    """The file's ConsentRecord. `optIn`: whether every kind of data is given now; absent while nothing was answered."""
    of_agreement = agreements.revision_of(ask, found.purpose)
    return {
        "id": found.id,
        "dataAgreement": agreements.shape(ask, found.purpose),
        "dataAgreementRevision": of_agreement,
        "dataAgreementRevisionHash": of_agreement["serializedHash"],
        "individual": individuals.shape(ask, found.sub),
        **({"optIn": _opted_in(ask, found)} if found.items else {}),
        "state": "signed" if found.items else "unsigned",
    }


def found_revision(ask: Ask, found: Found) -> dict[str, Any]:
    """Its hash changes with each answer and each end."""
    of_agreement = agreements.revision_of(ask, found.purpose)
    data = {
        "id": found.id,
        "dataAgreementRevisionHash": of_agreement["serializedHash"],
        "individual": found.sub,
        "optIn": _opted_in(ask, found),
        "answers": [_item(one) for one in found.items],
    }
    return revision("ConsentRecord", found.id, data, revision_id=_revision_id(found), timestamp=_at(ask, found))


def by_id(ask: Ask, record_id: str) -> Found:
    """Problem 400 for what is no record of this agency, alike for all that it is not."""
    name, _, rest = record_id.partition(".")
    version, _, sub = rest.partition(".")
    purpose = agreements.require(ask, name)
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise nothing()
    meant = ask.catalogue.versions.get((purpose.id, int(version)))
    if meant is None:
        raise nothing()
    return _found(ask, meant, sub, individuals.citizen_of(ask, sub))


def _found(ask: Ask, purpose: Purpose, sub: str, citizen: str) -> Found:
    items = govstack.items(ask.connection, citizen, ask.agency, purpose.id, purpose.version)
    return Found(purpose, sub, citizen, tuple(items))


def _counted(ask: Ask, sub: str | None) -> Iterable[Found]:
    for one, citizen, purpose, version in govstack.answered(ask.connection, ask.agency, *ask.page(), sub=sub):
        yield _found(ask, ask.catalogue.versions[purpose, version], one, citizen)


def _current(ask: Ask, name: str, sub: str) -> Found:
    purpose = ask.catalogue.purpose_of(ask.agency, agreements.require(ask, name).id)
    if purpose is None:
        raise unsuited("This agreement is not active.")
    if purpose.legal_basis != "consent":
        raise unsuited("On this legal basis no consent is asked.")
    return _found(ask, purpose, sub, individuals.citizen_of(ask, sub))


def _meant(ask: Ask, sent: wire.ConsentRecord) -> Found:
    """Which record an object in transit is: by its id, or by its agreement and individual."""
    if sent.id:
        return by_id(ask, sent.id)
    if sent.data_agreement is None or sent.individual is None:
        raise unsuited("A record without an id needs its dataAgreement and its individual.")
    return _current(ask, sent.data_agreement.id, sent.individual.id)


def _told(ask: Ask, found: Found, sent: wire.ConsentRecord) -> Found:
    """What the agency says of the answer, done or refused; the record as it is then."""
    if sent.data_agreement_revision_hash not in ("", agreements.revision_of(ask, found.purpose)["serializedHash"]):
        raise unsuited("The dataAgreementRevisionHash is not that of the version.")
    if sent.opt_in is True and not _opted_in(ask, found):
        raise unsuited(_ONLY_HE)
    if sent.opt_in is False:
        _give_up(ask, found.citizen, (found.purpose.id,))
        return _found(ask, found.purpose, found.sub, found.citizen)
    return found


def _give_up(ask: Ask, citizen: str, purposes: tuple[str, ...] | None) -> None:
    records.withdraw_agency(
        ask.connection,
        agency=ask.agency,
        citizen=citizen,
        pseudonyms=ask.ring.pseudonyms,
        now=ask.now,
        channel="agency",
        purposes=purposes,
    )


def _opted_in(ask: Ask, found: Found) -> bool:
    """As a check decides, for all of the version's data."""
    if found.purpose.state != PUBLISHED or not ask.is_open:
        return False
    answers = seals.answers(ask.connection, ask.ring.pseudonyms, found.citizen, ask.agency, found.purpose.id)
    return checks.decide(
        ask.catalogue, ask.agency, found.purpose.id, found.purpose.data, answers, ask.now, version=found.purpose.version
    ).allowed


def _check_revision(ask: Ask, found: Found) -> None:
    wanted = ask.query.get("revisionId")
    if wanted is not None and wanted != agreements.revision_of(ask, found.purpose)["id"]:
        raise unsuited("This is not the revision that is asked now.")


def _check_signature(ask: Ask, found: Found, sent: wire.Signature, *, may_be_empty: bool) -> None:
    """Only the registry's own signature over this very record is one."""
    if not sent.signature and may_be_empty:
        return
    try:
        claims = jose.verify(
            sent.signature,
            keys=ask.ring.source,
            typ=frozenset({TYP}),
            algorithms=_ALGORITHMS,
            now=ask.now,
            issuer=ask.issuer,
            exp_required=False,
        )
    except InvalidToken:
        raise unsuited(_ONLY_HE) from None
    if claims.get("sub") != found.id or claims.get("payload_sha256") != hashed(signature(ask, found)["payload"]):
        raise unsuited("The signature is of something else, or of what was answered before.")


def _individual(ask: Ask) -> str:
    if not ask.header:
        raise unsuited(f"The header {INDIVIDUAL} must say whom this is about.")
    return ask.header


def _both(ask: Ask, found: Found) -> dict[str, Any]:
    """A draft has no revision, in the file's own words."""
    told = {"revision": found_revision(ask, found)} if found.items else {}
    return {"consentRecord": shape(ask, found), **told}


def _list(ask: Ask, found: Iterable[Found]) -> dict[str, Any]:
    return {"consentRecords": [shape(ask, one) for one in found]}


def _revision_id(found: Found) -> str:
    return f"{found.id}.{sum(1 + (one['ended_at'] is not None) for one in found.items)}"


def _at(ask: Ask, found: Found) -> str:
    """When it last changed; of what was never answered, now."""
    return time(max((one["ended_at"] or one["at"] for one in found.items), default=ask.now))


def _item(one: dict[str, Any]) -> dict[str, Any]:
    moments = {name: time(one[name]) if one[name] else "" for name in ("at", "ended_at", "expires_at")}
    return {**{name: one[name] for name in ("id", "category", "state", "notice_hash")}, **moments}
