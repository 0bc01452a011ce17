"""processing-log export: a page at a time, so that a server that has the files open goes on serving."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from consent import processing
from regie.commands.base import Progress, Refused, known, looked
from regie.house import House


def page(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    citizen = house.ring.pseudonyms.handle(known(house, params["citizen"])) if params["citizen"] else None
    registry = house.consent.registry
    try:
        found = house.databases["consent"].read_now(
            lambda c: processing.page(
                c,
                registry.snapshot(c),
                house.ring.sealer,
                house.settings.issuer,
                place=params["place"],
                now=house.clock.now(),
                citizen=citizen,
            )
        )
    except processing.BadPlace as error:
        raise Refused("--from is what an export ended at") from error
    # On each page: where an export goes on is for who asks to choose.
    if params["citizen"] and found.records:
        looked(house, params["citizen"], "processing_log")
    return asdict(found)


COMMANDS = {"processing-log page": page}
