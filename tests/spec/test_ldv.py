"""LDV, the Dutch standard for logging data processing: one record an act and person, in the act's own commit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from consent import forgetting, processing
from consent.permits import Asked
from keys.digest import b64decode
from tests.fixtures.visitors import claims

if TYPE_CHECKING:
    from tests.fixtures.registry import World

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
REQUIRED = {"trace_id", "span_id", "status", "name", "start_time", "end_time", "attributes"}
OPTIONAL = {"parent_span_id", "resource"}
ATTRIBUTES = {
    "dpl.core.processing_activity_id",
    "dpl.core.data_subject_id",
    "dpl.core.data_subject_id_type",
    "dpl.core.foreign_operation.processor",
}


def log(world: World, **choice: Any) -> list[dict[str, Any]]:
    return page(world, **choice).records


def page(world: World, **choice: Any) -> processing.Log:
    registry, sealer, issuer = world.registry, world.ring.sealer, world.settings.issuer
    choice = {"now": world.clock.now() + processing.SETTLED, **choice}
    return world.database.read_now(
        lambda c: processing.page(c, registry.snapshot(c), sealer, issuer, **choice)  # type: ignore[arg-type]
    )


async def use(world: World, citizen: str, *, purpose: str = "housing-benefit") -> str | None:
    asked = Asked("municipality", purpose, ("income",), "tax-authority")
    done = await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(citizen)))
    return done.permit


async def test_fields_are_those_of_the_standard(world: World, anna: str) -> None:
    """G-02, L-02: names, types, forms; nothing of another namespace."""
    await world.give(anna)
    permit = await use(world, anna)
    assert permit is not None
    await world.registry.redeem(permit, source="tax-authority")
    async with world.client() as http:
        said = {"permitId": claims(permit)["jti"], "outcome": "used"}
        assert (await http.post("/consent/v1/permits/reports", json=said)).status_code == 200

    records = log(world)

    names = ["consent given", "consent given", "release allowed", "permit redeemed", "use reported: used"]
    assert [one["name"] for one in records] == names
    for one in records:
        assert REQUIRED <= set(one) <= REQUIRED | OPTIONAL
        assert re.fullmatch("[0-9a-f]{32}", one["trace_id"])
        assert re.fullmatch("[0-9a-f]{16}", one["span_id"])
        assert one["status"] in ("Unset", "Ok", "Error")
        assert type(one["start_time"]) is type(one["end_time"]) is int
        assert one["start_time"] <= one["end_time"] == int(world.clock.now().timestamp() * 1000)
        assert set(one["attributes"]) <= ATTRIBUTES
        activity = one["attributes"]["dpl.core.processing_activity_id"]
        # The same purpose, at the version that it had: a redemption and a report too.
        assert activity == f"{world.settings.issuer}/consent/v1/purposes/housing-benefit#version-1"


async def test_each_act_has_a_span_of_its_own_and_the_acts_of_one_request_one_trace(world: World, anna: str) -> None:
    """G-03: one record an action; what one form answered is one processing."""
    await world.give(anna)
    await use(world, anna)

    given, also_given, used = log(world)

    assert len({given["span_id"], also_given["span_id"], used["span_id"]}) == 3
    assert given["trace_id"] == also_given["trace_id"]


async def test_the_callers_trace_and_span_are_kept(world: World, anna: str) -> None:
    """G-03, G-04, L-06."""
    await world.give(anna)
    asked = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    async with world.client() as http:
        answer = await http.post("/consent/v1/permits", json=asked, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert answer.status_code == 201

    used = log(world)[-1]

    assert (used["trace_id"], used["parent_span_id"]) == (TRACE, PARENT)
    assert used["span_id"] != PARENT


async def test_denied_attempts_are_in_it_and_are_no_error(world: World, anna: str) -> None:
    """G-03: Error is for internal faults alone. L-02: no sampling."""
    for _ in range(7):
        assert await use(world, anna) is None

    assert [(one["name"], one["status"]) for one in log(world)] == [("release denied", "Ok")] * 7


async def test_the_person_is_encrypted_and_never_twice_alike(world: World, anna: str) -> None:
    """L-05: only this house's key tells who it was; two records do not tell that they are one person's."""
    await world.give(anna)

    first, second = log(world)

    sealed = [one["attributes"]["dpl.core.data_subject_id"] for one in (first, second)]
    assert sealed[0] != sealed[1]
    assert anna not in str(first)
    assert world.sub(anna) not in str(first)
    place = {"table": "processing", "column": "data_subject_id", "row": first["span_id"]}
    assert world.ring.sealer.open_system(b64decode(sealed[0]), **place).decode() == anna


async def test_an_attempt_for_a_pseudonym_of_nobody_has_no_subject(world: World) -> None:
    await use(world, world.citizen("nobody"))

    (attempt,) = log(world)

    assert "dpl.core.data_subject_id" not in attempt["attributes"]


async def test_who_is_forgotten_is_in_no_record(world: World, anna: str) -> None:
    await world.give(anna)
    permit = await use(world, anna)
    assert permit is not None
    await world.registry.redeem(permit, source="tax-authority")
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    await world.database.write(lambda c: forgetting.forget(c, anna, pseudonyms=pseudonyms, now=now))

    records = log(world)

    assert len(records) == 6
    assert not [one for one in records if "dpl.core.data_subject_id" in one["attributes"]]


async def test_page_by_page_nothing_is_missing_and_nothing_twice(world: World, anna: str) -> None:
    bert = world.citizen("bert")
    for one in (anna, bert):
        await world.give(one)
        permit = await use(world, one)
        assert permit is not None
        await world.registry.redeem(permit, source="tax-authority")
    whole = {one["span_id"] for one in log(world)}

    place, seen = "", []
    while True:
        found = page(world, place=place, limit=3)
        seen += [one["span_id"] for one in found.records]
        place = found.place
        if not found.more:
            break
    await use(world, anna)

    assert len(seen) == len(set(seen)) == 8
    assert set(seen) == whole
    assert [one["name"] for one in page(world, place=place).records] == ["release allowed"]
    assert len(log(world, citizen=bert)) == 4


@pytest.mark.parametrize(
    "place", ["x", "1", "1.2.3.4", "1.2.3.-4.5", "1.2.3.4.5.6", "1.2.3.4.5 ", "¹.2.3.4.5", f"{'9' * 19}.1.1.1.1"]
)
def test_a_place_that_no_export_ended_at_is_refused(world: World, place: str) -> None:
    with pytest.raises(processing.BadPlace):
        page(world, place=place)


async def test_what_is_younger_than_a_minute_waits_for_the_next_export(world: World, anna: str) -> None:
    """Beside it another may be written still, with a number before: an export that goes on would never see it."""
    await world.give(anna)
    world.clock.advance(50)
    await use(world, anna)
    world.clock.advance(20)

    first = page(world, now=world.clock.now())
    world.clock.advance(60)
    rest = page(world, now=world.clock.now(), place=first.place)

    assert [one["name"] for one in first.records] == ["consent given", "consent given"]
    assert [one["name"] for one in rest.records] == ["release allowed"]
