"""Reads that wait together are one read; each begins after its question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from base.database import Connection
from base.database.together import Together
from tests.fixtures.house import Backend


async def test_what_is_asked_in_one_turn_is_one_read_and_a_later_question_another(backend: Backend) -> None:
    reads: list[list[int]] = []

    def read(connection: Connection, asked: Sequence[int]) -> dict[int, int]:
        reads.append(list(asked))
        return {one: int(connection.exec_driver_sql(f"select {one} * 2").scalar_one()) for one in asked}

    together = Together(backend.open("consent"), read, most=3)

    assert await asyncio.gather(*(together.ask(one) for one in (1, 2, 2, 3, 4))) == [2, 4, 4, 6, 8]
    assert await together.ask(9) == 18
    assert sorted(reads) == [[1, 2], [3, 4], [9]]


async def test_a_failure_reaches_all_that_asked_together_and_nobody_else(backend: Backend) -> None:
    def read(connection: Connection, asked: Sequence[int]) -> dict[int, int]:
        return {
            one: int(connection.exec_driver_sql(f"select {'1' if one else 'nothing'}").scalar_one()) for one in asked
        }

    together = Together(backend.open("consent"), read, most=2)
    answers = await asyncio.gather(*(together.ask(one) for one in (0, 5, 6, 7)), return_exceptions=True)

    assert [isinstance(one, Exception) for one in answers] == [True, True, False, False]
    assert answers[2:] == [1, 1]


async def test_one_who_leaves_keeps_nobody_waiting(backend: Backend) -> None:
    together = Together(backend.open("consent"), lambda _, asked: {one: one for one in asked}, most=8)
    leaving, staying = asyncio.ensure_future(together.ask(1)), asyncio.ensure_future(together.ask(2))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving
