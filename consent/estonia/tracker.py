"""The Data Tracker's questions (dumonitor 2.1.0), answered from the register's own history of uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base.database import Connection
from consent import whom
from consent.catalogue import Catalogue
from consent.registry import Registry
from consent.store import usage
from consent.store.usage import Usage

MOST = 1000
"""Lines of one answer, as the protocol has it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`start`, `end`: both included; None: from the first, to now. `asked_by`: who began the query."""

    user_code: str
    asked_by: str
    start: datetime | None = None
    end: datetime | None = None
    offset: int = 0
    limit: int = MOST


@dataclass(frozen=True, slots=True)
class Tracker:
    registry: Registry

    async def find_usage(self, agency: str, wanted: Wanted) -> dict[str, Any]:
        """Uses of which this agency is the source or the recipient. Nobody, and another's query, look alike: none."""
        return await self.registry.database.read(lambda c: self._find(c, agency, wanted))

    def _find(self, connection: Connection, agency: str, wanted: Wanted) -> dict[str, Any]:
        citizen = whom.find(connection, self.registry.pseudonyms, agency, wanted.user_code)
        if not citizen or wanted.asked_by != wanted.user_code:
            return {"totalUsages": 0, "usages": []}
        total, found = usage.find(
            connection,
            citizen,
            agency,
            start=wanted.start,
            end=wanted.end,
            offset=wanted.offset,
            limit=min(wanted.limit, MOST),
        )
        catalogue = self.registry.snapshot(connection)
        return {"totalUsages": total, "usages": [_line(one, catalogue) for one in found]}

    async def period(self) -> dict[str, str]:
        began = await self.registry.database.read(usage.since)
        return {"periodStart": _time(began or self.registry.clock.now())}

    async def heartbeat(self) -> dict[str, str]:
        is_open = await self.registry.database.read(self.registry.ledger.fence.is_open)
        if is_open:
            return {"status": "OK", "message": "The register answers."}
        return {"status": "FAIL", "message": "The register is being reconciled."}


def _line(one: Usage, catalogue: Catalogue) -> dict[str, Any]:
    """The protocol's five members, and ours: which purpose, on which basis, the leaf that proves it, and the permit."""
    recipient = catalogue.agencies[one.recipient]
    purpose = catalogue.versions[one.purpose, one.purpose_version]
    return {
        "logtime": _time(one.at),
        "action": purpose.title["en"],
        "receiverCode": recipient.oin,
        "receiverName": recipient.name["en"],
        "receiverSystem": recipient.id,
        "purpose": purpose.id,
        "purposeVersion": purpose.version,
        "legalBasis": one.legal_basis,
        "ledgerLeaf": one.leaf,
        "permit": one.permit,
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
