"""An error says what to do: which member is wrong, and what is known; why a use is denied, and what then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from consent.api.permits import REFUSALS
from consent.api.reasons import WHAT_TO_DO, Reason
from consent.catalogue import LEGAL_BASES
from consent.pages.page import REASONS
from tests.fixtures.visitors import claims

if TYPE_CHECKING:
    from tests.fixtures.registry import World

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
DOCS = Path(__file__).resolve().parents[2] / "docs"
V1 = "/consent/v1"


def test_what_a_citizen_reads_of_a_denial_an_agency_can_do_something_about() -> None:
    text = (DOCS / "agencies.md").read_text()

    assert set(get_args(Reason)) == set(REASONS)
    assert set(WHAT_TO_DO) == set(REASONS) - set(LEGAL_BASES)
    assert [reason for reason, words in WHAT_TO_DO.items() if f"| `{reason}` | {words} |" not in text] == []


@SQLITE
async def test_what_a_source_must_know_of_a_permit_stands_in_the_docs(world: World, anna: str) -> None:
    await world.give(anna)
    asked = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    async with world.client() as client:
        said = claims((await client.post(f"{V1}/permits", json=asked)).json()["permit"])
    section = (DOCS / "agencies.md").read_text().split("## Be a source", 1)[1].split("\n## ", 1)[0]

    assert {one for one in said if f"`{one}`" not in section} == {"iss"}
    assert [reason for reason in REFUSALS if f"`{reason}`" not in section] == []


@SQLITE
async def test_a_denied_permit_says_of_each_kind_of_data_why(world: World, anna: str) -> None:
    await world.give(anna, address=False)
    sub = world.sub(anna)
    asked = {"sub": sub, "purpose": "housing-benefit", "data": ["address", "income"], "source": "tax-authority"}
    async with world.client() as client:
        done = (await client.post(f"{V1}/permits", json=asked)).json()
        other = (await client.post(f"{V1}/permits", json={**asked, "source": "population-register"})).json()

    assert (done["reason"], WHAT_TO_DO["refused"] in done["detail"]) == ("refused", True)
    assert [(one["category"], one["decision"], one["reason"]) for one in done["items"]] == [
        ("address", "denied", "refused"),
        ("income", "allowed", "consent"),
    ]
    assert [one["reason"] for one in other["items"]] == ["refused", "other_source"]


@SQLITE
@pytest.mark.parametrize(
    ("path", "body", "place", "sentence"),
    [
        ("checks", {"purposeversion": 1}, "$", "Known are: sub, purpose, data, purposeVersion, atLeastAsFresh."),
        ("checks", {"sub": "anna"}, "$.sub", "'^[A-Za-z0-9_-]{43}$'"),
        ("permits/reports", {"outcome": "sold"}, "$.outcome", "none of the values that the API's description lists"),
        ("requests", {"uses": [{"purpose": "a-b", "days": 3}]}, "$.uses[0]", "members that are not known here"),
    ],
)
async def test_a_mistake_is_named_and_nothing_sent_is_repeated(
    world: World, path: str, body: dict[str, Any], place: str, sentence: str
) -> None:
    async with world.client() as client:
        found = (await client.post(f"{V1}/{path}", json=body)).json()["errors"]

    assert sentence in next(one["detail"] for one in found if one["location"] == place)
    assert not {"anna", "sold", "days", "purposeversion"} & set(str(found).replace("`", " ").replace("'", " ").split())


@SQLITE
@pytest.mark.parametrize(
    "path",
    ["checks", "checks/bulk", "permits", "permits/redemptions", "permits/reports", "requests", "artefacts"],
)
async def test_what_stands_in_the_address_is_not_overlooked(world: World, path: str) -> None:
    """`?purposeVersion=2` at a check would be taken for asked."""
    async with world.client() as client:
        done = await client.post(f"{V1}/{path}?purposeVersion=2", json={})

    assert (done.status_code, done.json()["detail"]) == (400, "This address takes no query parameters.")


@SQLITE
async def test_a_permit_for_another_version_than_the_agency_means_is_denied(world: World, anna: str) -> None:
    await world.give(anna)
    asked = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    async with world.client() as client:
        done = [await client.post(f"{V1}/permits", json={**asked, "purposeVersion": one}) for one in (1, 1.0, 2)]

    assert [one.status_code for one in done] == [201, 201, 403]
    assert done[2].json()["reason"] == "changed"
