"""Individual: a citizen as an agency knows him. Nothing is stored: who has logged in there is one, nobody else."""

from __future__ import annotations

from typing import Any

from consent import whom
from consent.govstack import wire
from consent.govstack.asked import Ask, nothing, unsuited
from consent.store import govstack


def register(ask: Ask) -> dict[str, Any]:
    return _confirmed(ask, ask.member("individual", wire.Individual))


def update(ask: Ask) -> dict[str, Any]:
    sent = ask.member("individual", wire.Individual)
    if sent.id not in ("", ask.path["individualId"]):
        raise unsuited("The id of the object is not that of the address.")
    sent.id = ask.path["individualId"]
    return _confirmed(ask, sent)


def read(ask: Ask) -> dict[str, Any]:
    citizen_of(ask, ask.path["individualId"])
    return {"individual": shape(ask, ask.path["individualId"])}


def listed(ask: Ask) -> dict[str, Any]:
    found = govstack.individuals(ask.connection, ask.agency, *ask.page())
    return {"individuals": [shape(ask, sub) for sub in found]}


def shape(ask: Ask, sub: str) -> dict[str, Any]:
    """The file's Individual."""
    return {"id": sub, "externalId": sub, "externalIdType": "sub", "identityProviderId": ask.issuer}


def citizen_of(ask: Ask, sub: str) -> str:
    """The registry's name of a citizen, which never leaves it. Problem 400 for whom this agency does not know."""
    citizen = whom.find(ask.connection, ask.ring.pseudonyms, ask.agency, sub)
    if citizen is None:
        raise nothing()
    return citizen


def _confirmed(ask: Ask, sent: wire.Individual) -> dict[str, Any]:
    citizen_of(ask, sent.id)
    stands = shape(ask, sent.id)
    told = {
        "externalId": sent.external_id,
        "externalIdType": sent.external_id_type,
        "identityProviderId": sent.identity_provider_id,
    }
    if any(value not in ("", stands[name]) for name, value in told.items()):
        raise unsuited("Another number of a citizen than his sub at your agency is not kept here.")
    return {"individual": stands}
