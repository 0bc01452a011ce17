"""Records for those who may have them: an agency its own, a citizen all of his."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consent.dpv import record
from consent.registry import Registry
from keys.derive import Pseudonyms


@dataclass(frozen=True, slots=True)
class Records:
    registry: Registry
    pseudonyms: Pseudonyms
    issuer: str

    async def of_agency(self, record_id: str, agency: str) -> dict[str, Any] | None:
        """None for what is not this agency's."""
        registry, now = self.registry, self.registry.clock.now()
        return await registry.database.read(
            lambda c: record.of_agency(
                c, registry.snapshot(c), self.pseudonyms, record_id, agency, issuer=self.issuer, now=now
            )
        )

    async def of_citizen(self, citizen: str) -> dict[str, Any]:
        registry, now = self.registry, self.registry.clock.now()
        return await registry.database.read(
            lambda c: record.of_citizen(c, registry.snapshot(c), self.pseudonyms, citizen, issuer=self.issuer, now=now)
        )
