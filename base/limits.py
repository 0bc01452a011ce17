"""Bounded work: slots for what is expensive, a short queue before them, and a quick no behind that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from base.database.writer import Busy

T = TypeVar("T")


class Slots:
    """`count` calls at a time, in threads of their own, `waiting` more in the queue; then Busy.

    A caller that disconnects does not free its slot before the work ends, so a flood of half requests buys nothing.
    """

    def __init__(self, count: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="slot")
        self._limit = count + waiting
        self._taken = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._taken >= self._limit:
            raise Busy
        self._taken += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._free)
        return await asyncio.shield(future)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _free(self, _future: object) -> None:
        self._taken -= 1
