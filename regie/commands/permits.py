"""permit unreported: what was taken, and never reported by who took it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from consent import reporting
from consent.store import reports
from regie.commands.base import Progress, Refused
from regie.house import House

MOST = 500


def unreported(house: House, params: dict[str, Any], _progress: Progress) -> list[dict[str, Any]]:
    """The oldest first, `MOST` at once; whose data it was is not told."""
    before = reporting.due(house.clock.now(), house.settings.report_days)
    agency = params.get("agency") or None
    if agency and agency not in house.databases["consent"].read_now(house.consent.registry.snapshot).agencies:
        raise Refused(f"there is no agency {agency}; these are: regie agency list")
    found = house.databases["consent"].read_now(lambda c: reports.silent(c, before, limit=MOST, recipient=agency))
    return [{**asdict(one), "redeemed_at": one.redeemed_at.isoformat()} for one in found]


COMMANDS = {"permit unreported": unreported}
