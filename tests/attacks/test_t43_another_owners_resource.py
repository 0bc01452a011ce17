"""T-43 (Keycloak CVE-2026-4636): with one owner's rights nothing of another owner's is reached.

Rows are who asks, columns what of whom: agencies against each other's purposes, pseudonyms, permits and keys; citizens
against each other's consents, receipts, notices of use and cursors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from consent.registry import Filter

if TYPE_CHECKING:
    from tests.fixtures.registry import World


@pytest.fixture
async def bert(world: World, anna: str) -> str:
    """A second citizen; both have given, and both were used."""
    other = world.citizen("bert")
    for citizen in (anna, other):
        await world.give(citizen)
        await world.registry.release(
            citizen=citizen, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
    return other


class TestAgencies:
    @pytest.mark.parametrize("agency", ["tax-authority", "health-insurer", "population-register"])
    async def test_none_checks_or_gets_a_permit_for_anothers_purpose(
        self, world: World, anna: str, bert: str, agency: str
    ) -> None:
        body: dict[str, Any] = {"purpose": "housing-benefit", "data": ["income"]}

        async with world.client(agency) as client:
            for sub in (world.sub(anna), world.sub(anna, agency)):
                check = await client.post("/consent/v1/checks", json={**body, "sub": sub})
                permit = await client.post("/consent/v1/permits", json={**body, "sub": sub, "source": "tax-authority"})
                assert check.json()["reason"] == "unknown_purpose"
                assert (permit.status_code, permit.json()["reason"]) == (403, "unknown_purpose")

    async def test_a_pseudonym_of_another_agency_is_nobody(self, world: World, anna: str, bert: str) -> None:
        await world.registry.meet(citizen=anna, agency="health-insurer")
        stolen = world.sub(anna, "health-insurer")

        async with world.client() as client:
            body = {"sub": stolen, "purpose": "housing-benefit", "data": ["address"]}
            response = await client.post("/consent/v1/checks", json=body)

        assert response.json()["decision"] == "denied"
        assert response.json()["items"][0]["reason"] == "no_consent"

    async def test_an_agency_in_the_body_changes_nothing(self, world: World, anna: str, bert: str) -> None:
        body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["address"], "agency": "municipality"}

        async with world.client("health-insurer") as client:
            response = await client.post("/consent/v1/checks", json=body)

        assert response.status_code == 400


class TestCitizens:
    async def test_consents_receipts_and_withdrawal_are_ones_own(self, world: World, anna: str, bert: str) -> None:
        mine = await world.registry.consents(anna)

        for record in mine:
            assert await world.registry.consent(record.id, bert) is None
            assert await world.registry.receipt(record.id, bert) is None
            assert await world.registry.withdraw(record.id, bert) is None
        assert await world.registry.consents(anna) == mine

    async def test_withdrawing_from_an_agency_ends_ones_own_alone(self, world: World, anna: str, bert: str) -> None:
        await world.registry.withdraw_agency("municipality", bert)

        assert {one.state for one in await world.registry.consents(anna)} == {"given"}

    async def test_the_history_is_ones_own_with_every_filter(self, world: World, anna: str, bert: str) -> None:
        mine = {one.seq for one in (await world.registry.history(anna)).uses}
        theirs = {one.seq for one in (await world.registry.history(bert, wanted=Filter(agency="municipality"))).uses}

        assert len(mine) == len(theirs) == 1
        assert mine.isdisjoint(theirs)
