"""The machine's clock is set back or ahead by an hour: no consent and no permit lives longer (F-19)."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from base.clock import FrozenClock, SystemClock
from consent.interface import PersonalDataUse
from consent.registry import Registry
from consent.store import auditing
from regie.commands import COMMANDS
from regie.house import House
from tests.consent.test_permits import permit_of, redeem
from tests.fixtures.house import START

if TYPE_CHECKING:
    from tests.fixtures.house import Backend
    from tests.fixtures.registry import World

HOUR, DAY = 3_600, 86_400
SECOND = 1_000_000_000


class Machine(SystemClock):
    """A machine whose clock somebody sets. `passed`: seconds that truly went by."""

    def __init__(self, at: datetime = START) -> None:
        self._clock = int(at.timestamp()) * SECOND
        self.passed = 0
        super().__init__(lambda: self._clock, lambda: self.passed * SECOND)

    def advance(self, seconds: int) -> None:
        self._clock += seconds * SECOND
        self.passed += seconds

    def step(self, seconds: int) -> None:
        self._clock += seconds * SECOND


@pytest.fixture
def clock() -> Machine:
    """In place of the frozen clock, for the whole world of a test."""
    return Machine()


async def check(registry: Registry, sub: str) -> str:
    done = await registry.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
    return done.decision.reason


async def give_for(world: World, citizen: str, seconds: int) -> None:
    """A consent for so long."""
    asked = [PersonalDataUse("housing-benefit", duration_s=seconds)]
    question = await world.registry.question(
        citizen=citizen, agency="municipality", requests=asked, answered=(), anew=True
    )
    answers = {item.category: True for item in question.items}
    await world.registry.answer(citizen=citizen, question=question, answers=answers, language="nl")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("steps", [(-HOUR,), (HOUR,), (-HOUR, HOUR), (HOUR, -HOUR), (-1, -1, -1)])
async def test_a_permit_dies_thirty_seconds_after_it_was_issued(
    world: World, anna: str, clock: Machine, steps: tuple[int, ...]
) -> None:
    await world.give(anna)
    permit, taken = await permit_of(world, anna), await permit_of(world, anna)

    for step in steps:
        clock.step(step)
        clock.advance(5)
    alive = await redeem(world, taken)
    clock.advance(30 - 5 * len(steps))
    for step in (0, -HOUR, -HOUR):
        clock.step(step)
        late = await redeem(world, permit)
        assert (late.status_code, late.json()["reason"]) == (403, "expired")

    assert alive.status_code == (403 if sum(steps) > 0 else 200)


async def test_a_consent_ends_when_its_time_is_up_and_not_an_hour_later(
    world: World, anna: str, clock: Machine
) -> None:
    await give_for(world, anna, DAY)
    clock.advance(DAY - 1)
    clock.step(-HOUR)
    assert await check(world.registry, world.sub(anna)) == "consent"

    clock.advance(1)

    for _ in range(3):
        assert await check(world.registry, world.sub(anna)) == "expired"
        async with world.client() as client:
            body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
            assert (await client.post("/consent/v1/permits", json=body)).json()["reason"] == "expired"
        clock.step(-HOUR)
        clock.advance(1)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_after_a_step_ahead_it_has_ended_and_stays_so_when_the_clock_is_put_right(
    world: World, anna: str, clock: Machine
) -> None:
    await give_for(world, anna, HOUR // 2)

    clock.step(HOUR)
    assert await check(world.registry, world.sub(anna)) == "expired"
    clock.step(-HOUR)
    assert await check(world.registry, world.sub(anna)) == "expired"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_two_hundred_random_steps_extend_nothing(world: World, anna: str, clock: Machine) -> None:
    chance = random.Random(19)
    await give_for(world, anna, DAY)
    allowed = 0
    for _ in range(200):
        clock.step(chance.choice((-HOUR, HOUR, -1, 1, -DAY, 0)) if chance.random() < 0.2 else 0)
        clock.advance(chance.randrange(0, 900))
        if await check(world.registry, world.sub(anna)) == "consent":
            allowed += 1
            assert clock.passed < DAY

    assert allowed
    assert clock.passed > DAY // 2


async def test_a_house_that_starts_on_a_machine_set_back_goes_on_from_its_database(
    world: World, anna: str, clock: Machine
) -> None:
    await give_for(world, anna, HOUR // 2)
    clock.advance(HOUR)
    await world.give(world.citizen("bert"))

    fresh = Machine(START)
    fresh.not_before(world.database.read_now(auditing.newest))
    registry = Registry(world.database, world.ring, world.settings, fresh)

    assert fresh.now() == START + timedelta(hours=1)
    assert await check(registry, world.sub(anna)) == "expired"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_opening_a_house_does_so(backend: Backend) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    house = House.open(backend.settings(), FrozenClock(ahead))
    agency: dict[str, Any] = {"id": "water-board", "oin": "0" * 19 + "9", "contact": "privacy@water.example"}
    agency |= {"name": {"nl": "Waterschap", "en": "Water board"}, "categories": []}
    COMMANDS["agency add"](house, {"file": json.dumps(agency)}, lambda _: None)
    house.close()

    again = House.open(backend.settings())

    try:
        assert again.clock.now() >= ahead
    finally:
        again.close()


class TestSystemClock:
    def test_it_goes_with_the_machine(self) -> None:
        machine = Machine()
        machine.advance(5)

        assert machine.now() == START + timedelta(seconds=5)
        assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)

    def test_it_never_goes_back_and_never_stands_still(self) -> None:
        machine = Machine()
        machine.step(-HOUR)
        machine.advance(7)

        assert machine.now() == START + timedelta(seconds=7)

    def test_a_step_back_is_told_once(self) -> None:
        machine = Machine()
        with capture_logs() as log:
            machine.step(-HOUR)
            for _ in range(3):
                machine.advance(1)
                machine.now()

        assert log == [{"event": "clock.stepped_back", "seconds": HOUR, "log_level": "error"}]

    def test_when_the_machine_has_caught_up_it_is_followed_again(self) -> None:
        machine = Machine()
        machine.step(-HOUR)
        machine.advance(1)
        machine.step(HOUR)

        assert machine.now() == START + timedelta(seconds=1)
