"""A whole audit of a register that nobody touched finds nothing; what it finds otherwise is in tests/faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consent import forgetting
from consent.ledger.inspect import inspect
from consent.permits import Asked
from tests.consent.ledger.test_leaf import everything

if TYPE_CHECKING:
    from consent.ledger.verify import Finding
    from tests.fixtures.registry import World

ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


def inspected(world: World) -> list[Finding]:
    return world.database.snapshot_now(lambda c: inspect(c, world.registry.ledger, world.ring.pseudonyms))


async def lived(world: World) -> None:
    """Some of everything that a register does."""
    anna, bert, chris = (world.citizen(name) for name in ("anna", "bert", "chris"))
    await everything(world, anna)
    await world.registry.ledger.round()
    world.clock.advance(60)
    await everything(world, bert)
    await world.give(chris, income=False)
    for citizen in (anna, bert, chris):
        sub = world.sub(citizen)
        await world.database.write(lambda c, sub=sub: world.registry.permit_unit(c, ASKED, sub))
        await world.registry.release(
            citizen=citizen,
            agency="municipality",
            purpose="housing-benefit",
            categories=frozenset({"address", "income"}),
        )
    question = await world.ask(chris, anew=True)
    answers = {item.category: True for item in question.items}
    await world.registry.answer(citizen=chris, question=question, answers=answers, language="en")
    async with world.client() as client:
        asked = {"sub": "A" * 43, "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
        assert (await client.post("/consent/v1/permits", json=asked)).status_code == 403
    world.suspend("health-insurer")
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    world.database.write_now(lambda c: forgetting.forget(c, bert, pseudonyms=pseudonyms, now=now))
    world.clock.advance(5)
    await world.registry.ledger.round()


async def test_a_register_that_nobody_touched_agrees(world: World) -> None:
    await lived(world)

    assert inspected(world) == []


async def test_what_waits_in_the_queue_agrees_too(world: World) -> None:
    await lived(world)
    await everything(world, world.citizen("dirk"))

    assert inspected(world) == []


async def test_a_house_that_never_sequenced_says_so(world: World) -> None:
    assert [one.place for one in inspected(world)] == ["ledger_head"]
