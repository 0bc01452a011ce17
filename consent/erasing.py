"""A citizen has himself erased (GDPR art. 17): what `regie citizen erase` does, asked by himself, on his own page."""

from __future__ import annotations

from dataclasses import dataclass

from base.people import Accounts
from consent import forgetting
from consent.registry import Registry
from keys.ring import Ring


@dataclass(frozen=True, slots=True)
class Erasing:
    registry: Registry
    ring: Ring
    accounts: Accounts

    async def erase(self, citizen: str) -> None:
        """The register first: broken off in between, he can still log in and do the rest."""
        now, pseudonyms = self.registry.clock.now(), self.ring.pseudonyms
        await self.registry.database.write(lambda c: forgetting.forget(c, citizen, pseudonyms=pseudonyms, now=now))
        await self.accounts.erase(citizen)
