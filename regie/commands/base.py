"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consent import lookups

if TYPE_CHECKING:
    from regie.house import House

Progress = Callable[[dict[str, Any]], None]


class Refused(Exception):
    """The command cannot be done; the message says why and what to do."""


def looked(house: House, citizen_id: str, what: str) -> None:
    """The citizen sees that an operator did this; written before anything is shown. `what`: of consent.lookups.WHAT."""
    now, pseudonyms = house.clock.now(), house.ring.pseudonyms
    handle = pseudonyms.handle(citizen_id)
    house.databases["consent"].write_now(lambda c: lookups.record(c, handle, what, pseudonyms=pseudonyms, now=now))
