"""event-stream list, resume: how agencies' event streams do, and trying again a receiver that was given up."""

from __future__ import annotations

from typing import Any

from base import audit
from base.database import Connection
from consent.store import event_streams, events
from regie.commands.base import Progress, Refused
from regie.house import House


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[dict[str, Any]]:
    def unit(connection: Connection) -> list[dict[str, Any]]:
        return [
            {
                "id": one.id,
                "agency": one.agency,
                "status": "parked" if one.parked_at is not None else one.status,
                "endpoint": one.endpoint or "polled",
                "waiting": events.count_waiting(connection, one.id),
                "failing_since": one.failing_since.isoformat() if one.failing_since is not None else "",
                "error": one.said,
            }
            for one in event_streams.every(connection)
        ]

    return house.databases["consent"].read_now(unit)


def resume(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()

    def unit(connection: Connection) -> bool:
        if not event_streams.resume(connection, params["id"], now):
            return False
        audit.record(connection, "stream.resumed", actor="operator", object=params["id"], now=now)
        return True

    if not house.databases["consent"].write_now(unit):
        raise Refused(f"there is no event stream {params['id']}")
    return {"id": params["id"], "status": "tried again"}


def finding(house: House) -> dict[str, Any]:
    """For `regie doctor`: whether any receiver was given up."""
    streams = every(house, {}, lambda _: None)
    parked = [one["id"] for one in streams if one["status"] == "parked"]
    said = f"{len(streams)}, {sum(one['waiting'] for one in streams)} events wait"
    if parked:
        said += f"; parked: {' '.join(parked)}; when the receiver is well, run: regie event-stream resume ID"
    return {"check": "event streams", "ok": not parked, "detail": said}


COMMANDS = {"event-stream list": every, "event-stream resume": resume}
