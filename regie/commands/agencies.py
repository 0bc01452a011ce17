"""agency add, list, suspend, resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from base.database import Connection
from consent import publishing
from consent.catalogue import ACTIVE, SUSPENDED, CatalogueError, check_person, read_agency
from regie.commands.base import Progress, Refused
from regie.house import House

T = TypeVar("T")
ACTOR = "operator"


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    def unit(connection: Connection) -> dict[str, Any]:
        file = read_agency(params["file"].encode())
        publishing.add_agency(
            connection, file, actor=actor_of(house, params), pseudonyms=house.ring.pseudonyms, now=house.clock.now()
        )
        return {"id": file.id, "categories": [one.id for one in file.categories]}

    return change(house, unit)


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    return [msgspec.to_builtins(one) for one in catalogue.agencies.values()]


def suspend(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    change(
        house,
        lambda c: publishing.suspend_agency(
            c, params["id"], actor=actor_of(house, params), pseudonyms=house.ring.pseudonyms, now=now
        ),
    )
    return {"id": params["id"], "state": SUSPENDED}


def resume(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    change(
        house,
        lambda c: publishing.resume_agency(
            c, params["id"], actor=actor_of(house, params), pseudonyms=house.ring.pseudonyms, now=now
        ),
    )
    return {"id": params["id"], "state": ACTIVE}


def change(house: House, unit: Callable[[Connection], T]) -> T:
    try:
        return house.databases["consent"].write_now(unit)
    except CatalogueError as error:
        raise Refused(str(error)) from error


def actor_of(house: House, params: dict[str, Any], *, needed: bool = False) -> str:
    """Who does it. `needed`: outside development it must be told."""
    by = params.get("by") or ""
    if not by:
        if needed and not house.settings.development:
            raise Refused("say who does it, with --by NAME: outside development a purpose is published by two people")
        return ACTOR
    try:
        return check_person(by)
    except CatalogueError as error:
        raise Refused(str(error)) from error


COMMANDS = {
    "agency add": add,
    "agency list": every,
    "agency suspend": suspend,
    "agency resume": resume,
}
