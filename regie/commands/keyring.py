"""keys list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from base import audit
from base.database import Connection
from keys.errors import UnknownKey
from regie.commands.base import Progress, Refused
from regie.house import House

KEPT = timedelta(days=730)
"""How long a retired key stays in the JWKS, for receipts that were downloaded before."""


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    return [
        {
            "kid": k.kid,
            "alg": k.alg,
            "state": k.state,
            "created_at": k.created_at.isoformat(),
            "changed_at": k.changed_at.isoformat(),
        }
        for k in house.ring.list()
    ]


def rotate(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        announced = house.ring.rotate(params["alg"], house.clock.now())
        house.ring.retire(house.clock.now() - KEPT, house.clock.now())
    except UnknownKey as error:
        raise Refused(str(error)) from error
    _line(house, "key.rotated", announced.kid)
    return {"alg": params["alg"], "active": house.ring.active(params["alg"]).kid, "announced": announced.kid}


def revoke(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        house.ring.revoke(params["kid"], house.clock.now())
    except UnknownKey as error:
        raise Refused(str(error)) from error
    _line(house, "key.revoked", params["kid"])
    return {"kid": params["kid"], "state": "withdrawn"}


def _line(house: House, event: str, kid: str) -> None:
    now = house.clock.now()

    def unit(connection: Connection) -> None:
        audit.record(connection, event, actor="operator", object=kid, now=now)

    house.databases["idp"].write_now(unit)


COMMANDS = {"keys list": every, "keys rotate": rotate, "keys revoke": revoke}
