"""A row edited in the database behind our back is a no, and is named by the log and by `regie doctor` (C-23)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from consent import seals
from consent.ledger.inspect import inspect
from consent.store import altered, tables
from tests.consent.ledger.test_leaf import rows
from tests.consent.test_permits import asked, permit_of, redeem

if TYPE_CHECKING:
    from tests.fixtures.registry import World

CHECKS, PERMITS = "/consent/v1/checks", "/consent/v1/permits"
CONSENT, PERMIT = tables.consent, tables.permit


class Edited:
    """A citizen who allowed his income to be asked, and somebody with the database."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.citizen = world.citizen(name)

    async def give(self) -> str:
        recorded = await self.world.give(self.citizen)
        self.id = recorded.consents[1]
        return self.id

    def edit(self, **values: Any) -> None:
        statement = update(CONSENT).where(CONSENT.c.id == self.id).values(**values)
        self.world.database.write_now(lambda c: c.execute(statement))

    async def decided(self, **changes: Any) -> tuple[str, str]:
        """What a check and a permit say; they agree."""
        agency = changes.pop("agency", "municipality")
        body = asked(self.world, self.citizen, **changes) | {"sub": self.world.sub(self.citizen, agency)}
        async with self.world.client(agency) as client:
            check = (await client.post(CHECKS, json={k: v for k, v in body.items() if k != "source"})).json()
            permit = await client.post(PERMITS, json=body)
        if check["decision"] == "allowed":
            assert permit.status_code == 201
        else:
            assert (permit.status_code, permit.json()["reason"]) == (403, check["reason"])
        return check["decision"], check["reason"]


def alarms(world: World) -> list[str]:
    return [one.row for one in world.database.read_now(altered.every)]


def standing(world: World) -> list[str]:
    """What the doctor tells once the week is over."""
    later = world.clock.now() + timedelta(days=1)
    return world.database.read_now(lambda c: seals.standing(c, world.ring.pseudonyms, later))


NO = ("denied", "altered")


async def test_an_answer_of_which_a_deciding_column_was_edited_is_a_no_and_an_alarm(world: World) -> None:
    for name, value in {
        "purpose_version": 2,
        "expires_at": world.clock.now() + timedelta(days=3_650),
        "once": True,
        "seal": b"\0" * 16,
        "state": "refused",
    }.items():
        one = Edited(world, name)
        await one.give()
        assert await one.decided() == ("allowed", "consent"), name

        one.edit(**{name: value})

        with capture_logs() as log:
            assert await one.decided() == NO, name
        assert {"event": "row.altered", "kind": "consent", "consent": one.id, "log_level": "error"} in log
        assert one.id in alarms(world), name
        assert f"consent {one.id}" in standing(world), name


async def test_an_answer_under_another_id_is_a_no_and_an_alarm(world: World) -> None:
    one = Edited(world, "anna")
    await one.give()

    one.edit(id="A" * 22)

    assert await one.decided() == NO
    assert alarms(world) == ["A" * 22]


async def test_an_answer_that_was_moved_is_a_no_where_it_was_and_where_it_is(world: World) -> None:
    """To another citizen, agency, purpose or kind of data: each as if it had been given there."""
    world.publish({**world.documents["purposes"][0], "id": "other-benefit"})
    await world.registry.meet(citizen=world.citizen("bert"), agency="municipality")
    for name, value, where in (
        ("citizen", world.citizen("bert"), {}),
        ("purpose", "other-benefit", {"purpose": "other-benefit"}),
        ("category", "name", {}),
        ("agency", "health-insurer", {"agency": "health-insurer"}),
    ):
        one = Edited(world, name)
        await one.give()
        await world.registry.meet(citizen=one.citizen, agency="health-insurer")
        one.edit(**{name: value})

        assert (await one.decided())[0] == "denied", name

        there = Edited(world, "bert") if name == "citizen" else one
        decision = await there.decided(**where)
        assert decision[0] == "denied", name
        assert one.id in alarms(world), name


async def test_what_ended_does_not_come_back(world: World) -> None:
    """Withdrawn, used for its one time, or replaced: the seal went with it."""
    one = Edited(world, "withdrawn")
    await one.give()
    await world.registry.withdraw(one.id, one.citizen)
    one.edit(state="given", ended_at=None)
    assert await one.decided() == NO

    replaced = Edited(world, "replaced")
    old = await replaced.give()
    recorded = await world.give(replaced.citizen, income=False) if await world.ask(replaced.citizen) else None
    assert recorded is None
    question = await world.ask(replaced.citizen, anew=True)
    answers = {item.category: False for item in question.items}
    await world.registry.answer(citizen=replaced.citizen, question=question, answers=answers, language="nl")
    now = {one.category: one for one in await world.registry.consents(replaced.citizen) if one.current}
    replaced.id = now["income"].id
    replaced.edit(current=False)
    replaced.id = old
    replaced.edit(current=True, state="given", ended_at=None)
    assert await replaced.decided() == NO
    assert {one.id, old} <= set(alarms(world))


async def test_a_whole_row_put_back_as_it_was_does_not_come_back_either(world: World, anna: str) -> None:
    """From a copy of the table, its seal too: the event of its end says otherwise."""
    one = Edited(world, "anna")
    await one.give()
    before = next(row for row in rows(world, "consent") if row["id"] == one.id)
    await world.registry.withdraw(one.id, anna)

    one.edit(**before)

    assert await one.decided() == NO
    assert alarms(world) == [one.id]


async def test_nor_does_one_whose_place_another_answer_took(world: World, anna: str) -> None:
    """The newer answer is made to count no more, and the older row is put back whole: check, permit, signed consent."""
    one = Edited(world, "anna")
    old = await one.give()
    before = next(row for row in rows(world, "consent") if row["id"] == old)
    question = await world.ask(anna, anew=True)
    assert question is not None
    answers = {item.category: False for item in question.items}
    await world.registry.answer(citizen=anna, question=question, answers=answers, language="nl")
    one.id = next(row["id"] for row in rows(world, "consent") if row["current"] and row["category"] == "income")

    one.edit(current=False)
    one.id = old
    one.edit(**before)

    assert await one.decided() == NO
    assert alarms(world) == [old]
    async with world.client() as client:
        assert (await client.post("/consent/v1/artefacts", json={"record": old})).status_code == 409


async def test_a_whole_permit_put_back_is_not_taken_twice(world: World, anna: str) -> None:
    await world.give(anna)
    permit = await permit_of(world, anna)
    (before,) = rows(world, "permit")
    assert (await redeem(world, permit)).status_code == 200

    world.database.write_now(lambda c: c.execute(update(PERMIT).values(**before)))

    assert (await redeem(world, permit)).json()["reason"] == "altered"
    assert alarms(world) == [before["id"]]
    assert len(rows(world, "redemption")) == 1


async def test_nobody_makes_a_consent_who_has_the_database_alone(world: World, anna: str) -> None:
    """A whole row of a refusal, made a consent in every column."""
    one = Edited(world, "anna")
    await world.give(anna, income=False)
    (given, refused) = sorted(await world.registry.consents(anna), key=lambda record: record.category)
    one.id = refused.id

    one.edit(state="given", expires_at=given.expires_at, seal=given.seal)

    assert await one.decided() == NO


async def test_the_citizen_gives_anew_and_the_alarm_stays_told_for_a_week(world: World, anna: str) -> None:
    one = Edited(world, "anna")
    await one.give()
    one.edit(expires_at=world.clock.now() + timedelta(days=3_650))
    assert await one.decided() == NO

    await world.give(anna)

    assert await one.decided() == ("allowed", "consent")
    assert standing(world) == []
    assert alarms(world) == [one.id]


async def test_what_decides_nothing_is_found_by_the_audit(world: World, anna: str) -> None:
    one = Edited(world, "anna")
    await one.give()
    await world.registry.ledger.round()

    for name, value in {
        "seq": 1,
        "language": "fr",
        "notice_hash": "A" * 43,
        "at": world.clock.now() - timedelta(days=1),
    }.items():
        before = next(row for row in rows(world, "consent") if row["id"] == one.id)
        one.edit(**{name: value})
        found = world.database.snapshot_now(lambda c: inspect(c, world.registry.ledger, world.ring.pseudonyms))
        one.edit(**{name: before[name]})

        assert f"consent {one.id}" in [finding.place for finding in found], name
        assert await one.decided() == ("allowed", "consent"), name


async def test_a_permit_of_which_any_column_was_edited_is_refused_and_an_alarm(world: World) -> None:
    now = world.clock.now()
    await world.registry.meet(citizen=world.citizen("bert"), agency="municipality")
    for name, value in {
        "citizen": world.citizen("bert"),
        "recipient": "health-insurer",
        "source": "population-register",
        "purpose": "health-insurance",
        "categories": ["income", "name"],
        "consents": [],
        "issued_at": now - timedelta(days=1),
        "expires_at": now + timedelta(hours=1),
        "redeemed_at": now,
        "seal": b"\0" * 16,
    }.items():
        one = Edited(world, name)
        await one.give()
        permit = await permit_of(world, one.citizen)
        (row,) = [row for row in rows(world, "permit") if row["citizen"] == one.citizen]
        statement = update(PERMIT).where(PERMIT.c.id == row["id"]).values(**{name: value})
        world.database.write_now(lambda c, statement=statement: c.execute(statement))

        with capture_logs() as log:
            answers = [await redeem(world, permit) for _ in range(2)]

        assert [(a.status_code, a.json()["reason"]) for a in answers] == [(403, "altered")] * 2, name
        assert row["id"] in alarms(world), name
        assert {one["detail"] for one in log if one["event"] == "row.altered"} == {row["id"]}
    assert rows(world, "redemption") == []


async def test_a_permit_that_was_shortened_is_refused_and_an_alarm(world: World, anna: str) -> None:
    await world.give(anna)
    permit = await permit_of(world, anna)
    world.database.write_now(lambda c: c.execute(update(PERMIT).values(expires_at=world.clock.now())))

    assert (await redeem(world, permit)).json()["reason"] == "altered"
    assert len(alarms(world)) == 1


async def test_a_permit_that_was_taken_is_not_made_takable_again(world: World, anna: str) -> None:
    await world.give(anna)
    permit = await permit_of(world, anna)
    assert (await redeem(world, permit)).status_code == 200
    world.database.write_now(lambda c: c.execute(update(PERMIT).values(redeemed_at=None)))

    answers = await asyncio.gather(*(redeem(world, permit) for _ in range(3)))

    assert {one.json()["reason"] for one in answers} == {"altered"}
    assert len(rows(world, "redemption")) == 1


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_signed_consent_is_made_of_no_altered_row(world: World, anna: str) -> None:
    one = Edited(world, "anna")
    await one.give()
    one.edit(expires_at=world.clock.now() + timedelta(days=3_650))

    async with world.client() as client:
        response = await client.post("/consent/v1/artefacts", json={"record": one.id})

    assert response.status_code == 409


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_each_seal_is_of_its_row_alone(world: World, anna: str) -> None:
    await world.give(anna)
    await world.give(world.citizen("bert"))

    found = world.database.read_now(lambda c: c.execute(select(CONSENT.c.seal)).scalars().all())

    assert len(set(found)) == len(found) == 4
    assert {len(one) for one in found} == {16}


async def test_a_bit_of_a_status_list_that_was_moved_is_found_by_the_audit(world: World, anna: str) -> None:
    """Offline, a consent that ended would go on counting: its own bit was never set."""
    one = Edited(world, "anna")
    await one.give()
    async with world.client() as client:
        assert (await client.post("/consent/v1/artefacts", json={"record": one.id})).status_code == 201
    await world.registry.ledger.round()

    def found() -> list[str]:
        ledger, pseudonyms = world.registry.ledger, world.ring.pseudonyms
        return [one.place for one in world.database.snapshot_now(lambda c: list(inspect(c, ledger, pseudonyms)))]

    before = found()
    moved = (
        world.database.read_now(
            lambda c: c.execute(select(CONSENT.c.status_idx).where(CONSENT.c.id == one.id))
        ).scalar()
        ^ 1
    )
    one.edit(status_idx=moved)

    assert before == []
    assert found() == [f"consent {one.id}"]
