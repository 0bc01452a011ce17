"""All that the provider keeps of a citizen, for the citizen himself (GDPR art. 15): docs/export.md tells its members.

What only opens doors (digests of passwords, codes and cookies, keys) tells nobody anything and is not in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from base.database import Connection
from base.i18n import DEFAULT
from base.settings import Settings
from idp import logouts, notices, sessions
from idp.citizens import account, guardianship
from idp.citizens.importing import person_of
from idp.citizens.register import Person
from idp.store import clients, custody, grants, managed_grants, people
from keys.ring import Ring


def all_of(connection: Connection, ring: Ring, settings: Settings, handle: str, now: datetime) -> dict[str, Any]:
    """Empty for nobody, and for who was forgotten."""
    citizen_id = people.citizen_of_handle(connection, handle)
    citizen = people.find(connection, citizen_id) if citizen_id is not None else None
    person = person_of(ring, citizen) if citizen is not None else None
    if citizen is None or person is None:
        return {}
    return {
        "id": citizen.id,
        "state": citizen.state,
        "proofing": citizen.proofing,
        "person": _person(person),
        "waysToLogIn": _ways(connection, citizen.id),
        "sessions": [
            {
                "device": one.device,
                "acr": one.acr,
                "loggedInAt": _time(one.auth_time),
                "seenAt": _time(one.seen_at),
                "usedAt": logouts.names(logouts.clients_of(connection, one.id), DEFAULT),
            }
            for one in sessions.of(connection, settings, citizen.id, now)
        ],
        "news": [
            {"kind": one.kind, "about": one.about, "at": _time(one.at), "seenAt": _time(one.seen_at)}
            for one in notices.of(connection, citizen.id)
        ],
        "grants": _grants(connection, citizen.id, now),
        "children": guardianship.names(connection, ring, citizen.id),
        "guardians": custody.count(connection, citizen.id),
    }


def _person(person: Person) -> dict[str, Any]:
    """As the population register gave it."""
    where = person.address
    return {
        "nationalNumber": person.national_number,
        "givenNames": person.given_names,
        "prefix": person.prefix,
        "familyName": person.family_name,
        "birthDate": person.birth_date,
        "birthPlace": person.birth_place,
        "nationality": person.nationality,
        "parents": person.parents,
        "address": {
            "street": where.street,
            "houseNumber": where.house_number,
            "postalCode": where.postal_code,
            "city": where.city,
            "country": where.country,
        },
    }


def _ways(connection: Connection, citizen_id: str) -> dict[str, Any]:
    ways = account.ways(connection, citizen_id)
    return {
        "password": ways.has_password,
        "codeOfAnApp": ways.has_totp,
        "passkeys": [
            {"label": one.label, "addedAt": _time(one.created_at), "usedAt": _time(one.last_used_at)}
            for one in ways.passkeys
        ],
    }


def _grants(connection: Connection, citizen_id: str, now: datetime) -> list[dict[str, Any]]:
    """What agencies' programs hold of his logins now, and may come back with."""
    live = grants.live_families(connection, citizen_id, before=now)
    held = [(one.client_id, one.scope, one.created_at) for one in live]
    held += [(one.client_id, one.scope, one.created_at) for one in managed_grants.of_citizen(connection, citizen_id)]
    found = []
    for client_id, scope, at in held:
        client = clients.find(connection, client_id)
        name = logouts.name(client, DEFAULT) if client is not None else client_id
        found.append({"client": client_id, "name": name, "scope": scope, "givenAt": _time(at)})
    return found


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None
