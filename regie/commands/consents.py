"""consent show, withdraw."""

from __future__ import annotations

from typing import Any

from base import audit
from base.database import Connection
from consent import lookups, records
from consent.ledger.leaf import TRACE
from consent.registry import events_of
from regie.commands.base import Progress, Refused
from regie.house import House


def show(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now, pseudonyms = house.clock.now(), house.ring.pseudonyms

    def unit(connection: Connection) -> list[dict[str, Any]]:
        found = events_of(connection, params["id"])
        if found and found[0]["citizen"]:
            lookups.record(connection, found[0]["citizen"], "consent", pseudonyms=pseudonyms, now=now)
        return found

    found = house.databases["consent"].write_now(unit)
    if not found:
        raise Refused(f"there is no consent {params['id']}")
    hidden = ("citizen", "leaf", "leaf_seq", "nonce", *TRACE)
    return {"id": params["id"], "events": [{k: _text(v) for k, v in one.items() if k not in hidden} for one in found]}


def withdraw(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()

    def unit(connection: Connection) -> Any:
        events = events_of(connection, params["id"])
        if not events:
            return None
        citizen = events[0]["citizen"]
        done = records.withdraw(
            connection,
            consent_id=params["id"],
            citizen=citizen,
            pseudonyms=house.ring.pseudonyms,
            now=now,
            channel="operator",
        )
        if done is not None:
            lookups.record(connection, citizen, "withdrawn", pseudonyms=house.ring.pseudonyms, now=now)
            audit.record(connection, "consent.withdrawn_by_operator", actor="operator", object=params["id"], now=now)
        return done

    done = house.databases["consent"].write_now(unit)
    if done is None:
        raise Refused(f"there is no consent {params['id']} that is still given")
    return {"id": params["id"], "state": "withdrawn", "revision": done.revision, "under_way": list(done.under_way)}


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


COMMANDS = {"consent show": show, "consent withdraw": withdraw}
