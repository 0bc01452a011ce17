"""ledger verify, checkpoint, reconcile."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from base import audit
from base.database import Connection
from consent import acts
from consent.ledger.checkpoint import parse
from consent.ledger.fence import REASONS
from consent.ledger.inspect import inspect
from consent.ledger.reconcile import NotReconciled
from consent.ledger.reconcile import reconcile as reconciled
from consent.store import leaves, ledger
from keys.notes import split
from regie.commands.base import Progress, Refused
from regie.house import House
from regie.receipts import signed


def checkpoint(house: House, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """What left the house last, who cosigned it, and what waits."""

    def unit(connection: Connection) -> dict[str, Any]:
        reason = house.consent.ledger.fence.prove(connection)
        head = ledger.head(connection)
        oldest, count = leaves.waiting(connection)
        told: dict[str, Any] = {
            "fence": "open" if reason is None else "closed",
            "reason": REASONS[reason] if reason is not None else "",
            "waiting": count,
            "oldest_waits_since": oldest.isoformat() if oldest is not None else None,
            "keys": [one.vkey for one in house.consent.ledger.publisher.verifiers],
            "witnesses": [{**one, "at": one["at"].isoformat()} for one in ledger.witnesses(connection)],
        }
        if head is None or head.published_size < 0:
            return {**told, "size": 0, "checkpoint": ""}
        published = parse(split(head.published_note)[0])
        root = base64.b64encode(published.root).decode()
        place = {"origin": published.origin, "size": published.size, "root": root, "cosigned_size": head.cosigned_size}
        note = head.cosigned_note if head.cosigned_size == head.published_size else head.published_note
        return {**place, **told, "checkpoint": note}

    return house.databases["consent"].read_now(unit)


def rotate_keys(house: House, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """A new pair signs the next checkpoint; the former one signs beside it until the next rotation. An act in the ledger."""
    parts, now = house.consent.ledger, house.clock.now()
    parts.keys.rotate(now)
    origin = house.databases["consent"].read_now(parts.publisher.refresh)
    name = origin.origin if origin is not None else parts.publisher.origin
    new = [one.vkey for one in parts.keys.verifiers(name)[:2]]

    def unit(connection: Connection) -> None:
        acts.record(connection, "ledger.keys_rotated", name, {"keys": new}, pseudonyms=house.ring.pseudonyms, now=now)
        audit.record(connection, "ledger.keys_rotated", actor="operator", object=name, now=now)

    house.databases["consent"].write_now(unit)
    return {"origin": name, "keys": new}


def verify(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """The whole audit of this house: tiles, register and journal. `checkpoints`: signed notes that were seen before."""
    parts, pseudonyms = house.consent.ledger, house.ring.pseudonyms
    before = [signed(note, parts.keys.verifiers) for note in params["checkpoints"]]

    def unit(connection: Connection) -> dict[str, Any]:
        found = inspect(connection, parts, pseudonyms, before)
        head = ledger.head(connection)
        place = {"origin": head.origin, "size": head.published_size} if head is not None else {}
        return {"ok": not found, **place, "findings": [{"place": one.place, "what": one.what} for one in found]}

    return house.databases["consent"].snapshot_now(unit)


def reconcile(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        report = reconciled(
            house.databases["consent"],
            house.consent.ledger,
            issuer=house.settings.issuer,
            pseudonyms=house.ring.pseudonyms,
            now=house.clock.now(),
            as_new_log=params["as_new_log"],
            declared=params["declared"],
        )
    except NotReconciled as error:
        raise Refused(str(error)) from error
    return asdict(report)


COMMANDS = {
    "ledger rotate-keys": rotate_keys,
    "ledger verify": verify,
    "ledger checkpoint": checkpoint,
    "ledger reconcile": reconcile,
}
