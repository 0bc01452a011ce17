"""The outbox: at least once, in order per key; what fails holds nothing else up and is parked in the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from base import outbox
from base.database.tables import LEASE
from base.outbox import ATTEMPTS, Worker

if TYPE_CHECKING:
    from base.clock import FrozenClock
    from base.database import Database
    from tests.fixtures.house import Backend


class Receiver:
    def __init__(self) -> None:
        self.got: list[int] = []
        self.failing: set[int] = set()

    async def __call__(self, payload: dict[str, Any]) -> None:
        if payload["n"] in self.failing:
            raise ConnectionError("away")
        self.got.append(payload["n"])


@pytest.fixture
def database(backend: Backend) -> Database:
    return backend.open("consent")


def put(database: Database, clock: FrozenClock, *numbers: int, key: str) -> None:
    for number in numbers:
        database.write_now(lambda c, n=number: outbox.put(c, "k", {"n": n}, key=key, now=clock.now()))


async def deliver_all(worker: Worker) -> None:
    while await worker.deliver():
        continue


async def test_messages_of_a_key_come_in_order_and_once(database: Database, clock: FrozenClock) -> None:
    receiver = Receiver()
    put(database, clock, 1, 2, 3, key="a")
    put(database, clock, 11, 12, key="b")

    await deliver_all(Worker(database, {"k": receiver}, clock))

    assert [n for n in receiver.got if n < 10] == [1, 2, 3]
    assert [n for n in receiver.got if n > 10] == [11, 12]
    assert database.read_now(outbox.outbox.waiting) == (0, 0)


async def test_what_fails_holds_its_own_key_up_and_no_other(database: Database, clock: FrozenClock) -> None:
    receiver = Receiver()
    receiver.failing = {1}
    worker = Worker(database, {"k": receiver}, clock)
    put(database, clock, 1, 2, key="a")
    put(database, clock, 11, key="b")

    await deliver_all(worker)
    assert receiver.got == [11]
    receiver.failing.clear()
    await deliver_all(worker)
    # Not yet: the pause after a failure.
    assert receiver.got == [11]
    clock.advance(2)
    await deliver_all(worker)

    assert receiver.got == [11, 1, 2]


async def test_what_fails_too_often_is_parked_and_those_behind_it_go_on(database: Database, clock: FrozenClock) -> None:
    receiver = Receiver()
    receiver.failing = {1}
    worker = Worker(database, {"k": receiver}, clock)
    put(database, clock, 1, 2, key="a")

    for _ in range(ATTEMPTS):
        await worker.deliver()
        clock.advance(3_601)
    await deliver_all(worker)

    assert receiver.got == [2]
    assert database.read_now(outbox.outbox.waiting) == (0, 1)


async def test_one_process_delivers_at_a_time_and_another_takes_over(database: Database, clock: FrozenClock) -> None:
    receiver = Receiver()
    first, second = (Worker(database, {"k": receiver}, clock) for _ in range(2))
    put(database, clock, 1, key="a")
    await first.deliver()
    put(database, clock, 2, key="a")

    assert await second.deliver() == 0
    clock.advance(outbox.LEASE_S + 1)
    assert await second.deliver() == 1

    assert receiver.got == [1, 2]


async def test_a_message_that_nobody_handles_is_kept(database: Database, clock: FrozenClock) -> None:
    put(database, clock, 1, key="a")

    assert await Worker(database, {}, clock).deliver() == 0
    assert database.read_now(outbox.outbox.waiting) == (1, 0)


async def test_a_receiver_that_is_slow_makes_no_other_one_wait(database: Database, clock: FrozenClock) -> None:
    slow = asyncio.Event()
    got: list[int] = []

    async def receive(payload: dict[str, Any]) -> None:
        if payload["n"] == 1:
            await slow.wait()
        got.append(payload["n"])
        if payload["n"] == 11:
            slow.set()

    put(database, clock, 1, 2, key="a")
    put(database, clock, 11, key="b")
    async with asyncio.timeout(10):
        await deliver_all(Worker(database, {"k": receive}, clock))

    assert got == [11, 1, 2]


async def test_one_that_hangs_is_given_up_before_another_process_may_take_over(
    database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbox.HANDLER_S < outbox.LEASE_S
    monkeypatch.setattr(outbox, "HANDLER_S", 0.05)

    async def hang(_payload: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    put(database, clock, 1, key="a")

    assert await Worker(database, {"k": hang}, clock).deliver() == 0
    assert database.read_now(outbox.outbox.waiting) == (1, 0)


async def test_the_lease_is_kept_while_much_is_under_way(
    database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_S", 0.3)
    receiver, other, begun, end = Receiver(), Receiver(), asyncio.Event(), asyncio.Event()

    async def slowly(payload: dict[str, Any]) -> None:
        begun.set()
        await end.wait()
        await receiver(payload)

    put(database, clock, 1, key="a")
    first = asyncio.create_task(Worker(database, {"k": slowly}, clock).deliver())
    await begun.wait()
    for _ in range(3):
        # Over the three the lease would be long over, had it not been taken again meanwhile.
        clock.advance(0.25)
        until = clock.now() + timedelta(seconds=0.3)
        for _ in range(400):
            if database.read_now(lambda c: c.execute(select(LEASE.c.expires_at)).scalar_one()) >= until:
                break
            await asyncio.sleep(0.05)
        assert await Worker(database, {"k": other}, clock).deliver() == 0
    end.set()

    assert await first == 1
    assert (receiver.got, other.got) == ([1], [])
