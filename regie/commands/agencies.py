"""agency add, list, suspend, resume; purpose add, publish, retire, list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from base.database import Connection
from consent import publishing
from consent.catalogue import ACTIVE, SUSPENDED, CatalogueError, Purpose, read_agency, read_purpose
from regie.commands.base import Progress, Refused
from regie.house import House

T = TypeVar("T")
ACTOR = "operator"


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    def unit(connection: Connection) -> dict[str, Any]:
        file = read_agency(params["file"].encode())
        publishing.add_agency(connection, file, actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=house.clock.now())
        return {"id": file.id, "categories": [one.id for one in file.categories]}

    return _change(house, unit)


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    return [msgspec.to_builtins(one) for one in catalogue.agencies.values()]


def suspend(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    _change(
        house,
        lambda c: publishing.suspend_agency(c, params["id"], actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=now),
    )
    return {"id": params["id"], "state": SUSPENDED}


def resume(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    _change(
        house,
        lambda c: publishing.resume_agency(c, params["id"], actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=now),
    )
    return {"id": params["id"], "state": ACTIVE}


def purpose_add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    raw = params["file"].encode()
    return _told(
        _change(
            house,
            lambda c: publishing.add_purpose(
                c, read_purpose(raw), actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=now
            ),
        )
    )


def purpose_publish(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    return _told(
        _change(
            house, lambda c: publishing.publish(c, params["id"], actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=now)
        )
    )


def purpose_retire(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    _change(house, lambda c: publishing.retire(c, params["id"], actor=ACTOR, pseudonyms=house.ring.pseudonyms, now=now))
    return {"id": params["id"], "state": "retired"}


def purposes(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    return [msgspec.to_builtins(one) for one in catalogue.versions.values()]


def _change(house: House, unit: Callable[[Connection], T]) -> T:
    try:
        return house.databases["consent"].write_now(unit)
    except CatalogueError as error:
        raise Refused(str(error)) from error


def _told(purpose: Purpose) -> dict[str, Any]:
    return {"id": purpose.id, "version": purpose.version, "state": purpose.state, "hash": purpose.hash}


COMMANDS = {
    "agency add": add,
    "agency list": every,
    "agency suspend": suspend,
    "agency resume": resume,
    "purpose add": purpose_add,
    "purpose publish": purpose_publish,
    "purpose retire": purpose_retire,
    "purpose list": purposes,
}
