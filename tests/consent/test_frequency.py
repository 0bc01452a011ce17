"""A purpose that may be used so often: the use above that is refused, by a reason of its own, whoever asks at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consent.permits import Asked
from tests.consent.test_lifecycle import PARKING

if TYPE_CHECKING:
    from tests.fixtures.registry import World

ASKED = Asked("municipality", "parking-permit", ("address",), "population-register")


def permit(world: World, sub: str) -> Any:
    return world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))


async def reason(world: World, sub: str) -> str:
    found = await world.registry.check(agency="municipality", sub=sub, purpose="parking-permit", data=["address"])
    return found.decision.reason


async def test_above_its_frequency_it_is_denied_and_the_citizen_sees_the_attempt(world: World, anna: str) -> None:
    world.publish(PARKING)
    await world.give(anna, "parking-permit")
    sub = world.sub(anna)
    for _ in range(2):
        assert await reason(world, sub) == "consent"
        assert (await permit(world, sub)).permit

    assert await reason(world, sub) == "too_often"
    refused = await permit(world, sub)

    assert (refused.permit, refused.outcome.decision.reason) == (None, "too_often")
    assert (await world.registry.history(anna)).uses[0].reason == "too_often"
    world.clock.advance(7 * 86_400)
    assert await reason(world, sub) == "consent"
    assert (await permit(world, sub)).permit


@pytest.mark.parametrize("basis", ["consent", "public_task"])
async def test_of_twenty_at_once_no_more_are_allowed_than_the_purpose_says(world: World, anna: str, basis: str) -> None:
    """Also where no consent is there to be locked."""
    world.publish({**PARKING, "legalBasis": basis})
    sub = world.sub(anna)
    await world.registry.meet(citizen=anna, agency="municipality")
    if basis == "consent":
        await world.give(anna, "parking-permit")

    done = await asyncio.gather(*(permit(world, sub) for _ in range(20)))

    assert sum(one.permit is not None for one in done) == 2


async def test_what_the_provider_itself_releases_counts_too(world: World, anna: str) -> None:
    world.publish(PARKING)
    await world.give(anna, "parking-permit")

    released = [
        await world.registry.release(
            citizen=anna, agency="municipality", purpose="parking-permit", categories=frozenset({"address"})
        )
        for _ in range(3)
    ]

    assert released == [frozenset({"address"}), frozenset({"address"}), frozenset()]
