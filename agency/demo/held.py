"""What the municipality holds of citizens, and deletes as soon as it hears that the consent has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from agency.client import Client
from agency.errors import AgencyError
from agency.events import LOST, Event, Inbox, Stream

ENDS = ("consent-withdrawn", "consent-expired", "consent-used")


class Held:
    """Data by the citizen as `agency` knows him and by kind, all for one purpose."""

    def __init__(self, client: Client, agency: str, purpose: str) -> None:
        self._purpose = purpose
        self._stream = Stream(client, Inbox(client, agency, self.hear), kinds=ENDS)
        self._held: dict[str, dict[str, Any]] = {}
        self._ends: Counter[str] = Counter()

    def ends(self, sub: str) -> int:
        """How many ends were heard of a citizen's consents: ask before you ask for data."""
        return self._ends[sub] + self._ends[LOST]

    async def keep(self, sub: str, data: str, value: Any, *, ends: int) -> None:
        """Unless an end was heard since, or would not be heard: then nothing is held."""
        try:
            await self._stream.begin()
        except AgencyError:
            return
        if self.ends(sub) == ends:
            self._held.setdefault(sub, {})[data] = value

    def of(self, sub: str) -> list[str]:
        """Which kinds are held of a citizen."""
        return sorted(self._held.get(sub, {}))

    async def hear(self, event: Event) -> None:
        if event.kind == LOST:  # an end was among them, perhaps
            self._ends[LOST] += 1
            self._held.clear()
        if event.kind in ENDS and event.said["purpose"] == self._purpose:
            self._ends[event.sub] += 1
            for data in event.said["data"]:
                self._held.get(event.sub, {}).pop(data, None)

    @asynccontextmanager
    async def listening(self, _app: Starlette) -> AsyncIterator[None]:
        """While the site runs."""
        task = asyncio.create_task(self._stream.follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
