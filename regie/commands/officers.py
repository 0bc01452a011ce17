"""officer invite, list, end."""

from __future__ import annotations

from typing import Any

from consent.catalogue import CatalogueError, check_person
from idp import officers
from regie.commands.base import Progress, Refused
from regie.house import House


def invite(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    if params["role"] not in officers.ROLES:
        raise Refused(f"role must be one of {', '.join(officers.ROLES)}")
    try:
        name, now = check_person(params["name"]), house.clock.now()
    except CatalogueError as error:
        raise Refused(str(error)) from error
    officer, code = house.databases["idp"].write_now(lambda c: officers.invite(c, name, params["role"], now))
    told = {"id": officer, "name": name, "role": params["role"], "code": code}
    return {**told, "at": house.settings.issuer + "/supervisor/enrol", "expires_in": officers.INVITATION_S}


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    now = house.clock.now()
    return [
        {
            "id": one.id,
            "name": one.name,
            "role": one.role,
            "state": "ended" if one.ended_at else "active" if one.credential_id else "invited",
            "invitation": one.invited_until is not None and one.invited_until > now,
            "seen_at": one.seen_at.isoformat() if one.seen_at else None,
        }
        for one in house.databases["idp"].read_now(officers.every)
    ]


def end(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    name, now = params["name"], house.clock.now()
    ended = house.databases["idp"].write_now(lambda c: officers.end(c, name, now))
    if ended is None:
        raise Refused(f"there is no officer {name}")
    return {"id": ended, "name": name, "state": "ended"}


COMMANDS = {"officer invite": invite, "officer list": every, "officer end": end}
