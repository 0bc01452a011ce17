"""Many checks in one call: each answered as if it were asked alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fixtures.registry import World

BULK = "/consent/v1/checks/bulk"


@pytest.fixture
async def asked(world: World, anna: str) -> list[dict[str, Any]]:
    """More than one statement reads, of three citizens: one consented, one never did, one is nobody."""
    await world.give(anna)
    subs = (world.sub(anna), world.sub(world.citizen("bram")), "A" * 43)
    purposes = ("housing-benefit", "no-such-purpose")
    every = [{"sub": sub, "purpose": purpose, "data": ["address"]} for sub in subs for purpose in purposes]
    return every * 12


class TestManyChecks:
    async def test_each_is_answered_in_its_place_as_if_asked_alone(
        self, world: World, asked: list[dict[str, Any]]
    ) -> None:
        async with world.client() as client:
            together = (await client.post(BULK, json={"checks": asked})).json()["checks"]
            alone = [(await client.post("/consent/v1/checks", json=one)).json() for one in asked]

        assert together == alone
        assert {one["decision"] for one in together} == {"allowed", "denied"}

    async def test_a_withdrawal_that_was_acknowledged_is_seen(
        self, world: World, anna: str, asked: list[dict[str, Any]]
    ) -> None:
        for consent in await world.registry.consents(anna):
            await world.registry.withdraw(consent.id, anna)
        async with world.client() as client:
            answers = (await client.post(BULK, json={"checks": asked})).json()["checks"]

        assert {one["decision"] for one in answers} == {"denied"}

    @pytest.mark.parametrize("count", [0, 5_001])
    async def test_none_or_too_many_are_refused(self, world: World, asked: list[dict[str, Any]], count: int) -> None:
        async with world.client() as client:
            answer = await client.post(BULK, json={"checks": (asked * 80)[:count]})

        assert answer.status_code == 400

    async def test_five_thousand_are_answered_in_one_call(self, world: World, asked: list[dict[str, Any]]) -> None:
        many = (asked * 70)[:5_000]
        async with world.client() as client:
            answer = await client.post(BULK, json={"checks": many})

        assert answer.status_code == 200
        assert len(answer.json()["checks"]) == 5_000

    async def test_a_longer_body_is_for_this_address_alone(self, world: World, asked: list[dict[str, Any]]) -> None:
        many = (asked * 70)[:5_000]
        async with world.client() as client:
            elsewhere = await client.post("/consent/v1/permits", json={"checks": many})
            too_long = await client.post(
                BULK, content=b" " * (1024 * 1024 + 1), headers={"content-type": "application/json"}
            )
        async with world.client(None) as stranger:
            nobody = await stranger.post(BULK, json={"checks": many})

        assert (elsewhere.status_code, too_long.status_code, nobody.status_code) == (413, 413, 401)

    async def test_each_is_as_fresh_as_it_asks(self, world: World, asked: list[dict[str, Any]]) -> None:
        forged = [*asked[:3], {**asked[0], "atLeastAsFresh": "A" * 32}]
        async with world.client() as client:
            seen = (await client.post("/consent/v1/checks", json=asked[0])).json()["consistencyToken"]
            fresh = await client.post(BULK, json={"checks": [{**one, "atLeastAsFresh": seen} for one in asked]})
            refused = await client.post(BULK, json={"checks": forged})

        assert (fresh.status_code, refused.status_code) == (200, 422)

    async def test_for_the_newest_of_many_tokens_it_is_looked_once(
        self, world: World, asked: list[dict[str, Any]], statements: list[tuple[str, Any]]
    ) -> None:
        tokens = [world.consent.freshness.token(revision) for revision in (0, 1, 2)]
        counts = []
        async with world.client() as client:
            await client.post(BULK, json={"checks": asked[:1]})
            for known in (tokens[2:], tokens):
                statements.clear()
                checks = [{**asked[0], "atLeastAsFresh": token} for token in known]
                assert (await client.post(BULK, json={"checks": checks})).status_code == 200
                counts.append(len(statements))

        assert counts[0] == counts[1]

    async def test_an_agency_of_no_register_gets_no_answer(self, world: World, asked: list[dict[str, Any]]) -> None:
        async with world.client("nobody") as client:
            answer = await client.post(BULK, json={"checks": asked})

        assert answer.status_code == 403
