"""Reads that wait together share one statement: what asks in the same turn of the event loop is asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from base.database import Connection, Database

Q = TypeVar("Q")
A = TypeVar("A")
_Waiting = list[tuple[Q, "asyncio.Future[A]"]]


class Together(Generic[Q, A]):
    """`read`: the answers to up to `most` questions, in one unit. Each read begins after its questions were put."""

    def __init__(self, database: Database, read: Callable[[Connection, Sequence[Q]], Mapping[Q, A]], most: int) -> None:
        self._database = database
        self._read = read
        self._most = most
        self._waiting: _Waiting[Q, A] = []
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        """The answer; what `read` raises is raised to all that asked together."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._begin)
        self._waiting.append((question, future))
        return await future

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._most):
            some = waiting[start : start + self._most]
            if not self._database.reads_at_once:
                task = asyncio.get_running_loop().create_task(self._in_a_thread(some))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                continue
            try:
                answers = self._database.read_at_once(self._unit(some))
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                _fail(some, error)
            else:
                _tell(some, answers)

    async def _in_a_thread(self, some: _Waiting[Q, A]) -> None:
        try:
            answers = await self._database.read(self._unit(some))
        except Exception as error:  # noqa: BLE001 - as above
            _fail(some, error)
        else:
            _tell(some, answers)

    def _unit(self, some: _Waiting[Q, A]) -> Callable[[Connection], Mapping[Q, A]]:
        questions = list(dict.fromkeys(question for question, _ in some))
        return lambda connection: self._read(connection, questions)


def _tell(some: _Waiting[Q, A], answers: Mapping[Q, A]) -> None:
    for question, future in some:
        if not future.done():
            future.set_result(answers[question])


def _fail(some: _Waiting[Q, A], error: Exception) -> None:
    for _, future in some:
        if not future.done():
            future.set_exception(error)
