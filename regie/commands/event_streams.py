"""event-stream list, show, replay, resume: how agencies' event streams do, and sending again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from base import audit
from base.database import Connection
from consent.events import lost, streams
from consent.events.streams import Counted
from consent.store import event_streams, events
from regie.commands.base import Progress, Refused
from regie.house import House


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[dict[str, Any]]:
    return [_row(one) for one in house.databases["consent"].read_now(_counted)]


def _row(found: Counted) -> dict[str, Any]:
    one, oldest = found.stream, found.oldest
    return {
        "id": one.id,
        "agency": one.agency,
        "status": "parked" if one.parked_at is not None else one.status,
        "endpoint": one.endpoint or "polled",
        "waiting": found.waiting,
        "waiting_since": oldest.isoformat() if oldest is not None else "",
        "deleted_from": (oldest + lost.KEPT).isoformat() if oldest is not None else "",
        "lost": found.lost,
        "failing_since": one.failing_since.isoformat() if one.failing_since is not None else "",
        "error": one.said,
    }


def show(house: House, params: dict[str, Any], _progress: Progress) -> list[dict[str, Any]]:
    """The newest events of one stream, without whom they are about."""

    def unit(connection: Connection) -> list[Any]:
        _there(connection, params["id"])
        return events.latest(connection, params["id"], streams.SHOWN)

    return [
        {
            "jti": one.jti,
            "event": one.kind,
            "at": one.at.isoformat(),
            "status": "waiting" if done_at is None else "refused" if error else "taken",
            "error": error,
        }
        for one, done_at, error in house.databases["consent"].read_now(unit)
    ]


def replay(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()

    def unit(connection: Connection) -> int:
        _there(connection, params["id"])
        again = events.again(connection, params["id"], None, now)
        audit.record(connection, "stream.replayed", actor="operator", object=params["id"], now=now)
        return again

    return {"id": params["id"], "events": house.databases["consent"].write_now(unit)}


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


def _there(connection: Connection, stream: str) -> None:
    if all(one.id != stream for one in event_streams.every(connection)):
        raise Refused(f"there is no event stream {stream}")


def finding(house: House) -> dict[str, Any]:
    """For `regie doctor`: whether any receiver was given up, and whose events are, or will be, deleted untaken."""
    late_from = house.clock.now() - lost.LATE
    found = house.databases["consent"].read_now(_counted)
    parked = [one.stream.id for one in found if one.stream.parked_at is not None]
    late = [one for one in found if one.oldest is not None and one.oldest <= late_from]
    gone = [one for one in found if one.lost]
    said = f"{len(found)}, {sum(one.waiting for one in found)} events wait"
    if parked:
        said += f"; parked: {' '.join(parked)}; when the receiver is well, run: regie event-stream resume ID"
    if late:
        said += f"; not taken for {lost.LATE.days} days, deleted after {lost.KEPT.days}: {_whose(late)}; tell them"
    if gone:
        said += f"; deleted, since nobody took them in {lost.KEPT.days} days: {_whose(gone)}"
    return {"check": "event streams", "ok": not (parked or late or gone), "detail": said}


def _counted(connection: Connection) -> list[Counted]:
    return [streams.counted(connection, one) for one in event_streams.every(connection)]


def _whose(found: Sequence[Counted]) -> str:
    return ", ".join(f"{one.stream.agency} ({one.stream.id})" for one in found)


COMMANDS = {
    "event-stream list": every,
    "event-stream show": show,
    "event-stream replay": replay,
    "event-stream resume": resume,
}
