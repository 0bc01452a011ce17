"""purpose add, submit, publish, reject, retire, list, show.

A draft is submitted by one person and published by another, who neither wrote nor submitted it; in development one
may do both. The name after --by is the operator's word: whoever may run these commands is trusted to give his own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from consent import publishing
from consent.catalogue import Purpose, read_purpose
from regie.commands.agencies import ACTOR, actor_of, change
from regie.commands.base import Progress, Refused
from regie.house import House


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    actor, now, raw = actor_of(house, params, needed=True), house.clock.now(), params["file"].encode()
    return _told(
        change(
            house,
            lambda c: publishing.add_purpose(
                c, read_purpose(raw), actor=actor, pseudonyms=house.ring.pseudonyms, now=now
            ),
        )
    )


def submit(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    return _step(house, params, publishing.submit)


def publish(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """Without a name (in development alone) without review."""
    return _step(house, params, publishing.publish, reviewed=actor_of(house, params, needed=True) != ACTOR)


def reject(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    return _step(house, params, publishing.reject)


def retire(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    # One person may end what is allowed: it only ever takes away.
    return _step(house, params, publishing.retire, needed=False)


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    return [
        {**_told(one), "agency": one.agency, "title": one.title["en"], "data": list(one.data)}
        for one in catalogue.versions.values()
    ]


def show(house: House, params: dict[str, Any], _progress: Progress) -> list[Any]:
    """All versions of one purpose with all that they say."""
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    found = [one for one in catalogue.versions.values() if one.id == params["id"]]
    if not found:
        raise Refused(f"there is no purpose {params['id']}")
    return [msgspec.to_builtins(one) for one in found]


def _step(house: House, params: dict[str, Any], step: Any, *, needed: bool = True, **how: bool) -> dict[str, Any]:
    actor, now = actor_of(house, params, needed=needed), house.clock.now()
    pseudonyms = house.ring.pseudonyms
    return _told(change(house, lambda c: step(c, params["id"], actor=actor, pseudonyms=pseudonyms, now=now, **how)))


def _told(one: Purpose) -> dict[str, Any]:
    who = {"author": one.author, "submitter": one.submitter, "publisher": one.publisher}
    return {"id": one.id, "version": one.version, "state": one.state, "hash": one.hash, **who}


COMMANDS = {
    "purpose add": add,
    "purpose submit": submit,
    "purpose publish": publish,
    "purpose reject": reject,
    "purpose retire": retire,
    "purpose list": every,
    "purpose show": show,
}
