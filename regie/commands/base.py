"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consent import lookups
from idp.store import people
from regie.refusal import Refused

__all__ = ["Progress", "Refused", "known", "looked"]

if TYPE_CHECKING:
    from regie.house import House

Progress = Callable[[dict[str, Any]], None]


def known(house: House, citizen_id: str) -> str:
    """The same ID, also of who was erased. Refused for any other: an empty answer would say that there is nothing."""
    if house.databases["idp"].read_now(lambda c: people.find(c, citizen_id)) is None:
        raise Refused(f"there is no citizen {citizen_id}; the ID is what this tells: regie citizen find NUMBER")
    return citizen_id


def looked(house: House, citizen_id: str, what: str) -> None:
    """The citizen sees that an operator did this; written before anything is shown. `what`: of consent.lookups.WHAT."""
    now, pseudonyms = house.clock.now(), house.ring.pseudonyms
    handle = pseudonyms.handle(citizen_id)
    house.databases["consent"].write_now(lambda c: lookups.record(c, handle, what, pseudonyms=pseudonyms, now=now))
