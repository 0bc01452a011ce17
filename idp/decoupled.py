"""Requests that a citizen answers elsewhere than where they began: on a device (RFC 8628), or at the agency's word (CIBA).

What both share: a secret with which the client polls, a citizen's answer that is given once, and a pace.
Functions run inside a unit of work.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from base.binding import JKT
from base.database import Connection
from base.database.tables import counters
from base.ids import digest, secret
from base.settings import Settings
from idp import checks, pings
from idp.clients import Client
from idp.errors import OAuthError
from idp.extensions import ciba
from idp.store import clients, decoupled, grants
from idp.store.decoupled import CIBA, DEVICE, REFUSED, TAKEN, WAITING, Decoupled
from idp.store.grants import Family
from idp.unit import Unit
from keys.ring import Ring

__all__ = [
    "CIBA",
    "DEVICE",
    "Decoupled",
    "allow",
    "begin_ciba",
    "begin_device",
    "by_user_code",
    "refuse",
    "take",
    "typed",
    "waiting_for",
]

INTERVAL_S, SLOWER_S, MOST_S = 5, 5, 60
"""How long a client waits between polls; each poll that comes too soon makes it longer (RFC 8628 section 3.5)."""
EARLY = timedelta(seconds=1)
"""A poll that the network brought this much sooner is in time."""
LETTERS = "BCDFGHJKLMNPQRSTVWXZ347"
"""No vowels, so that no word appears, and nothing that is taken for another: 8 of these 23 are 36 bits (section 6.1)."""
LENGTH = 8
_TRIES = 5
MOST_WAITING = 5
"""Requests of one client that wait for one citizen: more would be a way to wear him down."""
_LONGEST = 100


def begin_device(
    connection: Connection,
    ring: Ring,
    client: Client,
    form: Mapping[str, str],
    *,
    jkt: str | None,
    settings: Settings,
    now: datetime,
) -> tuple[str, str]:
    """A checked device request; answers device_code and user_code (section 3.2)."""
    device_code = secret()
    one = Decoupled(
        digest(device_code),
        DEVICE,
        client.client_id,
        checks.completed(checks.DEVICE, client, form),
        None,
        None,
        jkt,
        WAITING,
        INTERVAL_S,
        None,
        now,
        now + timedelta(seconds=settings.decoupled_s),
    )
    for _ in range(_TRIES):
        user_code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        if decoupled.add(connection, one, user_code=_index(ring, user_code)):
            return device_code, shown(user_code)
    raise RuntimeError("there is no free user code")


def begin_ciba(
    connection: Connection,
    ring: Ring,
    client: Client,
    form: Mapping[str, str],
    *,
    citizen: str,
    jkt: str | None,
    settings: Settings,
    now: datetime,
) -> tuple[str, int] | OAuthError:
    """A checked CIBA request to a citizen (the registry's handle); answers auth_req_id and expires_in (section 7.3).

    A citizen who is suspended or gone is asked like any other, and does not answer.
    """
    # Until the commit nobody else counts these: requests at once are counted one after the other.
    counters.hold(connection, "waiting", digest(f"{client.client_id} {citizen}"), now)
    if decoupled.count_waiting(connection, citizen, client.client_id, now) >= MOST_WAITING:
        return OAuthError("access_denied", "Too many requests of this client wait for this citizen.", status=403)
    auth_req_id, life_s = secret(), min(settings.decoupled_s, int(form.get("requested_expiry", settings.decoupled_s)))
    key = digest(auth_req_id)
    told = None
    if ciba.delivery(client) == ciba.PING:
        told = pings.seal(ring, key, auth_req_id, form["client_notification_token"])
    one = Decoupled(
        key,
        CIBA,
        client.client_id,
        checks.completed(checks.CIBA, client, form),
        citizen,
        told,
        jkt,
        WAITING,
        INTERVAL_S,
        None,
        now,
        now + timedelta(seconds=life_s),
    )
    decoupled.add(connection, one, user_code=None)
    return auth_req_id, life_s


def waiting_for(connection: Connection, citizen: str, now: datetime) -> list[tuple[Decoupled, Client]]:
    """What a citizen is asked at this moment, the newest first, with who asks."""
    found = [(one, clients.find(connection, one.client_id)) for one in decoupled.waiting_for(connection, citizen, now)]
    return [(one, client) for one, client in found if client is not None and client.active]


def shown(user_code: str) -> str:
    """As it stands on the device: two halves are read more easily."""
    return f"{user_code[: LENGTH // 2]}-{user_code[LENGTH // 2 :]}"


def typed(text: str) -> str | None:
    """What a person typed, as `shown`; None when it can be no code of ours. Case, spaces and dashes do not matter."""
    code = re.sub(r"[\s-]", "", text[:_LONGEST]).upper()
    return shown(code) if len(code) == LENGTH and set(code) <= set(LETTERS) else None


def by_user_code(connection: Connection, ring: Ring, user_code: str, now: datetime) -> Decoupled | None:
    """The request that shows this code and waits. `user_code`: as `typed` answers."""
    return decoupled.by_user_code(connection, _index(ring, user_code.replace("-", "")), now)


def allow(connection: Connection, one: Decoupled, family: Family, now: datetime) -> bool:
    """The citizen says yes; False when it was answered before, or too late."""
    if not decoupled.settle(connection, one.digest, decoupled.ALLOWED, family.id, now):
        return False
    grants.add_family(connection, family)
    pings.enqueue(connection, one, now)
    return True


def refuse(connection: Connection, one: Decoupled, now: datetime) -> bool:
    """The citizen says no; False when it was answered before, or too late."""
    if not decoupled.settle(connection, one.digest, REFUSED, None, now):
        return False
    pings.enqueue(connection, one, now)
    return True


def take(unit: Unit, client: Client, kind: str, value: str) -> Family:
    """What was allowed, once, ever. `value`: the device_code or auth_req_id.

    OAuthError with what RFC 8628 section 3.5 and CIBA section 11 have: authorization_pending, slow_down,
    access_denied, expired_token; invalid_grant for what is unknown, taken, another client's or another key's.
    """
    key = digest(value[:_LONGEST])
    jkt = unit.binding.thumbprint if unit.binding is not None and unit.binding.method == JKT else None
    taken = decoupled.take(unit.connection, key, kind, client.client_id, jkt, unit.now)
    if taken is None:
        _refuse(unit, client, kind, key)
    family = grants.find_family(unit.connection, taken)
    if family is None or family.ended_at is not None:
        raise _invalid()
    return family


def _refuse(unit: Unit, client: Client, kind: str, key: str) -> NoReturn:
    one = decoupled.find(unit.connection, key, lock=True)
    if one is None or one.kind != kind or one.client_id != client.client_id or one.state == TAKEN:
        raise _invalid()
    if unit.now >= one.expires_at:
        raise OAuthError("expired_token", "The citizen did not answer in time.")
    if one.state == REFUSED:
        raise OAuthError("access_denied", "The citizen refused.")
    if one.state != WAITING:
        raise _invalid()
    one = _paced(one, unit.now)
    decoupled.polled(unit.connection, one.digest, one.interval_s, unit.now)
    if one.polled_at is not None:
        raise OAuthError("slow_down", f"Wait {one.interval_s} seconds between two polls.")
    raise OAuthError("authorization_pending", "The citizen has not answered yet.")


def _paced(one: Decoupled, now: datetime) -> Decoupled:
    """`polled_at` None when the poll is in time; else with the longer interval that holds from now on."""
    if one.polled_at is None or now >= one.polled_at + timedelta(seconds=one.interval_s) - EARLY:
        return replace(one, polled_at=None)
    return replace(one, interval_s=min(one.interval_s + SLOWER_S, MOST_S))


def _index(ring: Ring, user_code: str) -> str:
    """User codes are short: kept as a keyed index, which nobody can try without the key."""
    return ring.pseudonyms.blind_index(f"user_code {user_code}")


def _invalid() -> OAuthError:
    return OAuthError("invalid_grant", "The code is not valid.")
