"""session list, end."""

from __future__ import annotations

from typing import Any

from base.database import Connection
from idp import ending, logouts, sessions
from regie.commands.base import Progress, Refused, known, looked
from regie.house import House


def every(house: House, params: dict[str, Any], _progress: Progress) -> list[Any]:
    now, citizen = house.clock.now(), known(house, params["citizen"])

    def unit(connection: Connection) -> list[Any]:
        return [
            {
                "id": one.id,
                "device": one.device,
                "acr": one.acr,
                "auth_time": one.auth_time.isoformat(),
                "seen_at": one.seen_at.isoformat(),
                "clients": [client.client_id for client in logouts.clients_of(connection, one.id)],
            }
            for one in sessions.of(connection, house.settings, citizen, now)
        ]

    found = house.databases["idp"].read_now(unit)
    if found:
        looked(house, citizen, "sessions")
    return found


def end(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """One session, or all of a citizen. What is acknowledged has ended, on every process, and stays so."""
    now, database = house.clock.now(), house.databases["idp"]
    if bool(params["id"]) == bool(params["citizen"]):
        raise Refused("name a session, or a citizen with --citizen")
    if params["citizen"]:
        citizen = known(house, params["citizen"])
        ended = database.write_now(lambda c: ending.end_all(c, house.ring, citizen, now, actor="operator"))
        if ended:
            looked(house, citizen, "sessions_ended")
        return {"citizen": citizen, "ended": ended}

    def unit(connection: Connection) -> str | None:
        owner = sessions.owner(connection, params["id"])
        ended = owner is not None and ending.end(connection, house.ring, params["id"], owner, now, actor="operator")
        return owner if ended else None

    owner = database.write_now(unit)
    if owner is None:
        raise Refused(f"there is no session {params['id']} that is open")
    looked(house, owner, "session_ended")
    return {"id": params["id"], "ended": 1}


COMMANDS = {"session list": every, "session end": end}
