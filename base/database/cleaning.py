"""Forgetting what has expired: nothing depends on it, since expiry is decided when read; but no table grows for ever.

In small bites, each a unit of work of its own, so that nobody waits for it. On every process: to delete is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from base.clock import Clock
from base.database import Connection, Database
from base.log import log

EVERY_S = 60
BITE = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` whose `column` lies further back than `kept`; `besides`: only those."""

    table: Table
    column: str
    kept: timedelta = timedelta(0)
    besides: Callable[[], ColumnElement[bool]] | None = None


def forget(connection: Connection, rule: Rule, now: datetime, limit: int = BITE) -> int:
    """Delete up to `limit` rows, the oldest first; answers how many."""
    column, key = rule.table.c[rule.column], list(rule.table.primary_key.columns)
    old = select(*key).where(column < now - rule.kept).order_by(column).limit(limit)
    if rule.besides is not None:
        old = old.where(rule.besides())
    # Workers that forget at the same time each take what is free (PostgreSQL; SQLite has one writer).
    old = old.with_for_update(skip_locked=True)
    return connection.execute(delete(rule.table).where(tuple_(*key).in_(old))).rowcount


class Cleaner:
    def __init__(self, database: Database, rules: Sequence[Rule], clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def clean(self) -> int:
        """One round: until nothing is left that has expired. Answers how many rows went."""
        total = 0
        for rule in self._rules:
            done = BITE
            while done == BITE:
                now = self._clock.now()
                done = await self._database.write(lambda c, rule=rule, now=now: forget(c, rule, now))  # type: ignore[misc]  # bound at once
                total += done
        return total

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.clean()
            except Exception as error:  # noqa: BLE001 - the loop outlives a database that is away for a while
                log.error("cleaning.failed", error=type(error).__name__)
