"""DataAgreement: a version of a purpose of the catalogue, with what only GovStack has (dpia, policy, dataUse) beside it.

An agreement's id is its purpose's; a number n, which no purpose can be called, is the purpose `AGENCY-n`.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from consent import publishing
from consent.catalogue import (
    LEGAL_BASES,
    PUBLISHED,
    SUBMITTED,
    CatalogueError,
    Purpose,
    PurposeFile,
    read_purpose,
)
from consent.govstack import wire
from consent.govstack.asked import Ask, nothing, time, unsuited
from consent.govstack.policies import policy_of, require_policy
from consent.govstack.revisions import Kept, data_of, revision
from consent.store import govstack

BESIDE = Kept("DataAgreement")
MOST_VERSIONS = 2_000
"""Of all agreements of one agency."""
LANGUAGE = "en"
"""The file has one text for each thing, and no language: this is the one."""
_REFUSAL = {
    "nl": "Zonder uw toestemming worden deze gegevens niet gebruikt.",
    "en": "Without your permission this data is not used.",
}
_NO_DATA = (
    "The dataAttributes must name kinds of data by their ids in /consent/v1/categories, each once and one at least."
)
_NO_AGREEMENT = (
    "This cannot be an agreement: the id is in use, or the purpose, its description or maxDurationDays (1 to 3650) are not"
    " as the catalogue has them."
)


def create(ask: Ask) -> dict[str, Any]:
    sent = ask.member("dataAgreement", wire.DataAgreement)
    name = sent.id or str(secrets.randbelow(10**12))
    if newest(ask, name) is not None:
        raise unsuited("This id cannot be used.")
    return _drafted(ask, _purpose_id(ask, name), sent)


def read(ask: Ask) -> dict[str, Any]:
    return both(ask, require(ask, ask.path["dataAgreementId"]))


def read_published(ask: Ask) -> dict[str, Any]:
    found = ask.catalogue.shown(require(ask, ask.path["dataAgreementId"]).id)
    if found is None:
        raise nothing()
    return both(ask, found)


def update(ask: Ask) -> dict[str, Any]:
    """Another content is another version, which people publish; what is published stays until then."""
    sent = ask.member("dataAgreement", wire.DataAgreement)
    found = require(ask, ask.path["dataAgreementId"])
    if sent.id not in ("", ask.path["dataAgreementId"]):
        raise unsuited("The id of the object is not that of the address.")
    return _drafted(ask, found.id, sent)


def delete(ask: Ask) -> dict[str, Any]:
    """End what is published; else take back what waits."""
    found = require(ask, ask.path["dataAgreementId"])
    by: Any = {"actor": ask.by, "pseudonyms": ask.ring.pseudonyms, "now": ask.now}
    states = {one.state for one in _versions(ask, found.id)}
    try:
        if PUBLISHED in states:
            ended = publishing.retire(ask.connection, found.id, **by)
        else:
            if SUBMITTED not in states:
                publishing.submit(ask.connection, found.id, **by)
            ended = publishing.reject(ask.connection, found.id, **by)
    except CatalogueError:
        raise unsuited("This agreement ended before.") from None
    return {"revision": revision_of(ask, ended)}


def list_all(ask: Ask) -> dict[str, Any]:
    """The newest version of each."""
    return _page(ask, [one for name in _names(ask) if (one := newest(ask, name)) is not None])


def list_published(ask: Ask) -> dict[str, Any]:
    return _page(ask, [one for name in _names(ask) if (one := ask.catalogue.shown(name)) is not None])


def newest(ask: Ask, name: str) -> Purpose | None:
    """The newest version of a purpose of this agency, by its GovStack id or its own."""
    found = _versions(ask, _purpose_id(ask, name))
    return found[-1] if found else None


def require(ask: Ask, name: str) -> Purpose:
    found = newest(ask, name)
    if found is None:
        raise nothing()
    return found


def name_of(purpose: Purpose) -> str:
    """Its id in GovStack's objects."""
    number = purpose.id.removeprefix(f"{purpose.agency}-")
    return number if number.isdigit() else purpose.id


def both(ask: Ask, purpose: Purpose) -> dict[str, Any]:
    return {"dataAgreement": shape(ask, purpose), "revision": revision_of(ask, purpose)}


def shape(ask: Ask, purpose: Purpose) -> dict[str, Any]:
    """The file's DataAgreement, with the attributes that the file has no operation for."""
    controller, content = ask.catalogue.agencies[purpose.agency], _content(ask, purpose)
    policy = policy_of(ask, content["policy"]) if content["policy"] else None
    return {
        **{name: value for name, value in content.items() if name not in ("policy", "hash")},
        "controller": {"id": controller.id, "name": controller.name.get(LANGUAGE, ""), "url": controller.url},
        **({"policy": policy} if policy is not None else {}),
        "active": purpose.state == PUBLISHED and ask.catalogue.is_active(purpose.agency),
        "lifecycle": {"id": purpose.state, "name": purpose.state},
    }


def revision_of(ask: Ask, purpose: Purpose) -> dict[str, Any]:
    """Of what of a version never changes: the hash is what a consent record carries."""
    at = govstack.version_moments(ask.connection, ask.agency).get((purpose.id, purpose.version), ask.now)
    named = f"{name_of(purpose)}.{purpose.version}"
    return revision(
        "DataAgreement",
        name_of(purpose),
        _content(ask, purpose),
        revision_id=named,
        timestamp=time(at),
        by=purpose.author,
    )


def _content(ask: Ask, purpose: Purpose) -> dict[str, Any]:
    stored = govstack.newest(ask.connection, ask.agency, "DataAgreement", f"{purpose.id}.{purpose.version}")
    beside = data_of(stored) if stored is not None else {}
    return {
        "id": name_of(purpose),
        "version": str(purpose.version),
        "purpose": purpose.title.get(LANGUAGE, ""),
        "purposeDescription": purpose.explanation.get(LANGUAGE, ""),
        "lawfulBasis": purpose.legal_basis,
        "dataUse": beside.get("dataUse", "data_using_service"),
        "dpia": beside.get("dpia", ""),
        "policy": beside.get("policy", ""),
        "forgettable": False,
        "dataAttributes": [_attribute(ask, one) for one in purpose.data],
        "hash": purpose.hash,
    }


def _attribute(ask: Ask, name: str) -> dict[str, str]:
    # The catalogue's own words on it may change without a new version, and so are no part of a revision.
    return {"id": name, "name": name, "category": name, "source": ask.catalogue.source_of(name) or ""}


def _drafted(ask: Ask, purpose_id: str, sent: wire.DataAgreement) -> dict[str, Any]:
    if sum(one.agency == ask.agency for one in ask.catalogue.versions.values()) >= MOST_VERSIONS:
        raise unsuited("There are too many versions of agreements.")
    if sent.lawful_basis not in LEGAL_BASES:
        raise unsuited(f"The lawfulBasis must be one of {', '.join(LEGAL_BASES)}.")
    data = [one.id for one in sent.data_attributes]
    if not data or len(set(data)) != len(data) or not ask.catalogue.categories.keys() >= set(data):
        raise unsuited(_NO_DATA)
    if sent.policy is not None and sent.policy.id:
        require_policy(ask, sent.policy.id)
    by: Any = {"actor": ask.by, "pseudonyms": ask.ring.pseudonyms, "now": ask.now}
    try:
        made = publishing.add_purpose(ask.connection, _file(ask, purpose_id, sent), **by)
    except CatalogueError:
        raise unsuited(_NO_AGREEMENT) from None
    beside = {"dpia": sent.dpia, "dataUse": sent.data_use, "policy": sent.policy.id if sent.policy is not None else ""}
    key = f"{made.id}.{made.version}"
    stored = govstack.newest(ask.connection, ask.agency, "DataAgreement", key)
    if stored is None:
        BESIDE.beside(ask, key, beside)
    elif {name: data_of(stored).get(name) for name in beside} != beside:
        raise unsuited("What stands beside a version is as fixed as the version: change what is asked, too.")
    return both(ask, made)


def _file(ask: Ask, purpose_id: str, sent: wire.DataAgreement) -> PurposeFile:
    described = sent.purpose_description or sent.purpose
    article = "abcdef"[LEGAL_BASES.index(sent.lawful_basis)]
    return read_purpose(
        msgspec.json.encode(
            {
                "id": purpose_id,
                "agency": ask.agency,
                "title": {"nl": sent.purpose, "en": sent.purpose},
                "explanation": {"nl": described, "en": described},
                "refusal": _REFUSAL,
                "legalBasis": sent.lawful_basis,
                "statute": f"GDPR art. 6(1)({article})",
                "data": [one.id for one in sent.data_attributes],
                "maxDurationDays": sent.max_duration_days,
            }
        )
    )


def _purpose_id(ask: Ask, name: str) -> str:
    return f"{ask.agency}-{name}" if name.isascii() and name.isdigit() else name


def _versions(ask: Ask, purpose_id: str) -> list[Purpose]:
    found = [one for one in ask.catalogue.versions.values() if one.id == purpose_id and one.agency == ask.agency]
    return sorted(found, key=lambda one: one.version)


def _names(ask: Ask) -> list[str]:
    return list(dict.fromkeys(one.id for one in ask.catalogue.versions.values() if one.agency == ask.agency))


def _page(ask: Ask, found: list[Purpose]) -> dict[str, Any]:
    offset, limit = ask.page()
    return {"dataAgreements": [shape(ask, one) for one in found[offset : offset + limit]]}
