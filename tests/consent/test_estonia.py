"""Estonia's Data Tracker. Its own OpenAPI file judges our answers in test_estonia_on_the_wire.py."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both


async def ask(
    world: World, sub: str, agency: str = "tax-authority", *, by: str | None = None, **query: str
) -> dict[str, Any]:
    async with world.client(agency, **{"x-road-userid": by or sub}) as client:
        answer = await client.get("/estonia/v2/findUsage", params={"userCode": sub, **query})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def used(world: World, citizen: str, times: int = 1) -> None:
    """The tax authority uses a name on the ground of its task."""
    await world.registry.meet(citizen=citizen, agency="tax-authority")
    for _ in range(times):
        await world.registry.release(
            citizen=citizen, agency="tax-authority", purpose="tax-return", categories=frozenset({"name"})
        )
        world.clock.advance(60)


class TestFindUsage:
    async def test_it_names_time_reason_and_receiver_with_basis_and_proof(self, world: World, anna: str) -> None:
        at = world.clock.now()
        await used(world, anna)
        told = await ask(world, world.sub(anna, "tax-authority"))
        (use,) = (await world.registry.history(anna)).uses

        assert told["totalUsages"] == 1
        assert told["usages"] == [
            {
                "logtime": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "action": "Tax return",
                "receiverCode": "00000000000000000002",
                "receiverName": "Tax authority",
                "receiverSystem": "tax-authority",
                "purpose": "tax-return",
                "purposeVersion": 1,
                "legalBasis": "public_task",
                "ledgerLeaf": use.leaf,
                "permit": use.permit,
            }
        ]

    async def test_newest_first_by_offset_and_limit_with_the_whole_count(self, world: World, anna: str) -> None:
        await used(world, anna, 3)
        sub = world.sub(anna, "tax-authority")
        everything = await ask(world, sub)
        second = await ask(world, sub, offset="1", limit="1")

        assert second["totalUsages"] == everything["totalUsages"] == 3
        assert second["usages"] == everything["usages"][1:2]
        assert [one["logtime"] for one in everything["usages"]] == sorted(
            (one["logtime"] for one in everything["usages"]), reverse=True
        )

    async def test_a_period_has_both_its_ends(self, world: World, anna: str) -> None:
        first = world.clock.now()
        await used(world, anna, 3)
        start = end = f"{first + timedelta(seconds=60):%Y-%m-%dT%H:%M:%SZ}"
        sub = world.sub(anna, "tax-authority")

        assert (await ask(world, sub, periodStart=start, periodEnd=end))["totalUsages"] == 1
        assert (await ask(world, sub, periodStart=start))["totalUsages"] == 2
        assert (await ask(world, sub, periodEnd="2000-01-01T00:00:00+02:00"))["totalUsages"] == 0

    async def test_the_source_sees_it_too_and_a_third_agency_does_not(self, world: World, anna: str) -> None:
        await used(world, anna)
        for agency in ("population-register", "municipality"):
            await world.registry.meet(citizen=anna, agency=agency)
        totals = [
            (await ask(world, world.sub(anna, agency), agency))["totalUsages"]
            for agency in ("population-register", "municipality")
        ]

        assert totals == [1, 0]

    async def test_nobody_anothers_pseudonym_and_anothers_query_look_alike(self, world: World, anna: str) -> None:
        await used(world, anna)
        sub, nothing = world.sub(anna, "tax-authority"), {"totalUsages": 0, "usages": []}

        assert await ask(world, "nobody") == nothing
        assert await ask(world, world.sub(anna, "municipality")) == nothing
        assert await ask(world, sub, by="EE12345678901") == nothing
        assert await ask(world, "") == nothing

    async def test_a_denied_attempt_is_no_usage(self, world: World, anna: str) -> None:
        await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
        await world.registry.meet(citizen=anna, agency="municipality")

        assert (await ask(world, world.sub(anna), "municipality"))["totalUsages"] == 0

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"userCode": "x", "offset": "-1"},
            {"userCode": "x", "limit": "2147483648"},
            {"userCode": "x", "limit": "ten"},
            {"userCode": "x", "periodStart": "yesterday"},
            {"userCode": "x", "periodStart": "2021-02-30T00:00:00Z"},
            {"userCode": "x", "periodEnd": "0001-01-01T00:00:00+14:00"},
            {"userCode": "x", "other": "1"},
        ],
    )
    async def test_a_bad_query_is_400(self, world: World, query: dict[str, str]) -> None:
        async with world.client("tax-authority", **{"x-road-userid": "x"}) as client:
            assert (await client.get("/estonia/v2/findUsage", params=query)).status_code == 400

    async def test_without_the_header_it_is_400_and_without_the_scope_nothing(self, world: World) -> None:
        async with world.client("tax-authority") as client:
            assert (await client.get("/estonia/v2/findUsage?userCode=x")).status_code == 400
        async with world.client(None, authorization=f"Bearer {world.token(scope='consent:check')}") as client:
            assert (await client.get("/estonia/v2/findUsage?userCode=x")).status_code == 403
            assert (await client.get("/estonia/v2/usagePeriod")).status_code == 403
        async with world.client(None) as client:
            assert (await client.get("/estonia/v2/findUsage?userCode=x")).status_code == 401


async def test_the_period_begins_with_the_register(world: World) -> None:
    began = world.clock.now()
    world.clock.advance(1000)
    async with world.client() as client:
        told = (await client.get("/estonia/v2/usagePeriod")).json()

    assert told == {"periodStart": began.isoformat(timespec="microseconds").replace("+00:00", "Z")}


async def test_the_heart_beats_while_the_register_allows_anything(world: World) -> None:
    async with world.client(None) as client:
        before = (await client.get("/estonia/v2/heartbeat")).json()["status"]
        world.consent.ledger.fence.reason = "file_replaced"
        after = (await client.get("/estonia/v2/heartbeat")).json()["status"]

    assert (before, after) == ("OK", "FAIL")
