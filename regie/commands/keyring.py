"""keys list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from base import audit
from base.database import Connection
from keys.algorithms import ENCRYPTION
from keys.errors import UnknownKey
from keys.rotation import ACTIVE, ANNOUNCED
from regie.commands.base import Progress, Refused
from regie.house import House

KEPT = {"sig": timedelta(days=730), "enc": timedelta(days=14)}
"""How long a retired key still verifies, for receipts that were downloaded before; and still decrypts, for senders that
keep the JWKS a week (NL GOV Assurance profile for OpenID Connect, caching)."""


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    return [
        {
            "kid": k.kid,
            "use": _use(k.alg),
            "alg": k.alg,
            "state": k.state,
            "created_at": k.created_at.isoformat(),
            "changed_at": k.changed_at.isoformat(),
        }
        for k in house.ring.list()
    ]


def rotate(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    alg, now = params["alg"], house.clock.now()
    try:
        new = house.ring.rotate(alg, now)
        house.ring.retire(alg, now - KEPT[_use(alg)], now)
    except UnknownKey as error:
        raise Refused(str(error)) from error
    _line(house, "key.rotated", new.kid)
    active = next(key.kid for key in house.ring.list() if (key.alg, key.state) == (alg, ACTIVE))
    return {"alg": alg, "active": active, **({"announced": new.kid} if new.state == ANNOUNCED else {})}


def revoke(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        house.ring.revoke(params["kid"], house.clock.now())
    except UnknownKey as error:
        raise Refused(str(error)) from error
    _line(house, "key.revoked", params["kid"])
    return {"kid": params["kid"], "state": "withdrawn"}


def _use(alg: str) -> str:
    return "enc" if alg in ENCRYPTION else "sig"


def _line(house: House, event: str, kid: str) -> None:
    now = house.clock.now()

    def unit(connection: Connection) -> None:
        audit.record(connection, event, actor="operator", object=kid, now=now)

    house.databases["idp"].write_now(unit)


COMMANDS = {"keys list": every, "keys rotate": rotate, "keys revoke": revoke}
