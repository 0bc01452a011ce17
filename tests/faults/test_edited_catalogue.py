"""Agencies, purposes and kinds of data edited in the database behind our back: no to all, and an alarm that names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update
from structlog.testing import capture_logs

from consent import believed, publishing
from consent.errors import AgencySuspended
from consent.permits import Asked
from consent.store import altered, tables
from consent.store.catalogue import changed
from tests.fixtures.registry import AGENCIES, HOUSING_BENEFIT

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from consent.registry import Registry
    from tests.fixtures.registry import World

PURPOSE, AGENCY, CATEGORY, ACT = tables.purpose, tables.agency, tables.category, tables.act
INCOME = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
OTHERS = Asked("tax-authority", "tax-return", ("name",), "population-register")


def run(world: World, *statements: Executable) -> None:
    """By a shell on the database: rows alone, and then whatever makes processes read them again."""

    def unit(connection: Any) -> None:
        for one in statements:
            connection.execute(one)
        changed(connection)

    world.database.write_now(unit)


async def decided(world: World, registry: Registry, citizen: str, asked: Asked = INCOME) -> str:
    """What a check and a permit say; they agree."""
    sub = world.sub(citizen, asked.agency)
    permit = await registry.database.write(lambda c: registry.permit_unit(c, asked, sub))
    try:
        check = await registry.check(agency=asked.agency, sub=sub, purpose=asked.purpose, data=asked.data)
    except AgencySuspended:
        assert permit.permit is None
        return "suspended"
    assert (check.decision.decision, check.decision.reason) == (
        permit.outcome.decision.decision,
        permit.outcome.decision.reason,
    )
    return check.decision.reason if check.decision.allowed else f"no: {check.decision.reason}"


def alarms(world: World) -> list[tuple[str, str]]:
    return [(one.kind, one.row) for one in world.database.read_now(altered.every)]


async def watched(world: World) -> list[tuple[str, str]]:
    await believed.Watch(world.database, world.ring.pseudonyms, world.clock).round()
    return alarms(world)


async def test_a_purpose_that_needs_no_consent_any_more_allows_nobody(world: World, anna: str) -> None:
    """The worst that one statement could do: the legal basis of a purpose, and all citizens' data is open."""
    await world.registry.meet(citizen=anna, agency="municipality")
    content = {**HOUSING_BENEFIT, "legalBasis": "public_task"}
    before = await decided(world, world.registry, anna)

    run(world, update(PURPOSE).where(PURPOSE.c.id == "housing-benefit").values(content=content))
    with capture_logs() as log:
        after = await decided(world, world.registry, anna)

    assert (before, after) == ("no: no_consent", "no: unknown_purpose")
    named = {"event": "row.altered", "kind": "catalogue", "detail": "purpose housing-benefit 1", "log_level": "error"}
    assert named in log
    assert await watched(world) == [("catalogue", "purpose housing-benefit 1")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_each_column_that_was_edited_reads_as_no_and_is_named(world: World, anna: str) -> None:
    """And only what is built on it: another agency's purpose goes on."""
    await world.give(anna)
    await world.registry.meet(citizen=anna, agency="tax-authority")
    purpose, agency = PURPOSE.c.id == "housing-benefit", AGENCY.c.id == "municipality"
    longer = {**HOUSING_BENEFIT, "maxDurationDays": 3650}
    for statement, name in (
        (update(PURPOSE).where(purpose).values(content=longer), "purpose housing-benefit 1"),
        (update(PURPOSE).where(purpose).values(hash="A" * 43), "purpose housing-benefit 1"),
        (update(PURPOSE).where(purpose).values(publisher="somebody"), "purpose housing-benefit 1"),
        (update(PURPOSE).where(purpose).values(agency="health-insurer"), "purpose housing-benefit 1"),
        (update(PURPOSE).where(purpose).values(version=7), "purpose housing-benefit 7"),
        (delete(PURPOSE).where(purpose), "purpose housing-benefit 1"),
        (update(AGENCY).where(agency).values(oin="9" * 20), "agency municipality"),
        (update(AGENCY).where(agency).values(name={"nl": "Bank", "en": "Bank"}), "agency municipality"),
        (delete(AGENCY).where(agency), "agency municipality"),
        (update(CATEGORY).where(CATEGORY.c.id == "income").values(source="municipality"), "data_category income"),
        (update(CATEGORY).where(CATEGORY.c.id == "income").values(sensitivity="ordinary"), "data_category income"),
        (delete(CATEGORY).where(CATEGORY.c.id == "income"), "data_category income"),
    ):
        before = await decided(world, world.registry, anna)
        kept = {
            table: [
                dict(row) for row in world.database.read_now(lambda c, t=table: c.execute(select(t)).mappings().all())
            ]
            for table in (PURPOSE, AGENCY, CATEGORY)
        }
        run(world, statement)

        reason = await decided(world, world.registry, anna)
        others = await decided(world, world.registry, anna, OTHERS)

        assert (before, others) == ("consent", "public_task"), name
        assert reason in ("suspended", "no: unknown_purpose"), name
        assert ("catalogue", name) in await watched(world), name
        run(world, *(one for t, rows in kept.items() for one in (delete(t), insert(t).values(rows))))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_suspended_agency_is_not_made_active(world: World, anna: str) -> None:
    """Nor by an act that somebody writes beside it: acts can be added, and this one opens no leaf."""
    await world.give(anna)
    world.suspend("municipality")
    forged = {"event": "agency.resumed", "object": "municipality", "content": {"state": "active"}}
    forged |= {"at": world.clock.now(), "nonce": b"0" * 16, "leaf": "A" * 43, "leaf_seq": 1}

    run(world, update(AGENCY).where(AGENCY.c.id == "municipality").values(state="active"), insert(ACT).values(forged))

    assert await decided(world, world.registry, anna) == "suspended"
    assert await watched(world) == [("catalogue", "agency municipality")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_what_no_act_made_is_not_there(world: World, anna: str) -> None:
    """A whole purpose, put there with a hash that fits."""
    await world.registry.meet(citizen=anna, agency="municipality")
    row = world.database.read_now(
        lambda c: c.execute(select(PURPOSE).where(PURPOSE.c.id == "tax-return")).mappings().one()
    )

    run(world, insert(PURPOSE).values({**row, "id": "mine", "agency": "municipality"}))

    asked = Asked("municipality", "mine", ("name",), "population-register")
    assert await decided(world, world.registry, anna, asked) == "no: unknown_purpose"
    assert await watched(world) == [("catalogue", "purpose mine 1")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_an_operator_puts_it_right_by_doing_it_again(world: World, anna: str) -> None:
    await world.give(anna)
    run(world, update(AGENCY).where(AGENCY.c.id == "municipality").values(contact="x@evil.example"))
    edited = await decided(world, world.registry, anna)

    raw = json.dumps(AGENCIES[2]).encode()
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    world.database.write_now(lambda c: publishing.seed(c, [raw], [], actor="test", pseudonyms=pseudonyms, now=now))

    assert (edited, await decided(world, world.registry, anna)) == ("suspended", "consent")
    assert world.database.read_now(lambda c: believed.altered(c, pseudonyms)) == []
