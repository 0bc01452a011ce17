"""Giving, refusing, withdrawing: what is in the register afterwards."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from base.database.tables import OUTBOX
from consent import forgetting, lookups
from consent.interface import QuestionChanged
from consent.offline import places
from consent.permits import Asked
from consent.store import govstack, tables
from keys.digest import b64encode
from tests.consent.ledger.test_leaf import reported

if TYPE_CHECKING:
    from tests.fixtures.registry import World


def rows(world: World, table: str) -> list:
    return world.database.read_now(lambda c: c.execute(select(tables.metadata.tables[table])).all())


class TestCitizenAnswers:
    async def test_each_item_has_its_own_answer_and_its_own_event(self, world: World, anna: str) -> None:
        recorded = await world.give(anna, income=False)

        found = {one.category: one for one in await world.registry.consents(anna)}
        assert {name: one.state for name, one in found.items()} == {"address": "given", "income": "refused"}
        assert recorded.consents == (found["address"].id,)
        assert [row.type for row in rows(world, "consent_event")] == ["given", "refused"]
        assert len(recorded.receipts) == 2

    async def test_a_consent_ends_after_the_duration_of_its_purpose(self, world: World, anna: str) -> None:
        await world.give(anna)

        given = (await world.registry.consents(anna))[0]

        assert given.expires_at is not None
        assert (given.expires_at - given.at).days == 365

    async def test_a_refusal_is_an_event_and_has_no_end(self, world: World, anna: str) -> None:
        await world.give(anna, address=False, income=False)

        assert {one.expires_at for one in await world.registry.consents(anna)} == {None}

    async def test_every_item_needs_an_answer(self, world: World, anna: str) -> None:
        question = await world.ask(anna)

        with pytest.raises(ValueError, match="one answer"):
            await world.registry.answer(citizen=anna, question=question, answers={"address": True}, language="nl")

        assert rows(world, "consent_event") == []

    async def test_a_language_in_which_nothing_was_shown_is_refused(self, world: World, anna: str) -> None:
        question = await world.ask(anna)
        answers = {"address": True, "income": True}

        with pytest.raises(ValueError, match="language"):
            await world.registry.answer(citizen=anna, question=question, answers=answers, language="fr")

    async def test_what_was_shown_is_what_is_stored(self, world: World, anna: str) -> None:
        """C-05: rendering the notice again gives the hash in the record, and the notice itself is kept."""
        question = await world.ask(anna)
        await world.registry.answer(
            citizen=anna, question=question, answers={"address": True, "income": True}, language="en"
        )

        record = (await world.registry.consents(anna))[0]
        kept = await world.registry.notice(record.notice_hash)

        assert kept == question.notice_bytes("en")
        assert record.notice_hash == b64encode(hashlib.sha256(kept).digest())
        assert b"Housing benefit" in kept
        assert b"Huurtoeslag" not in kept
        assert record.notice_hash != question.notice_hash("nl")

    async def test_a_question_that_the_catalogue_no_longer_asks_is_not_recorded(self, world: World, anna: str) -> None:
        question = await world.ask(anna)
        purpose = world.documents["purposes"][0]
        world.publish({**purpose, "statute": "another text"})

        with pytest.raises(QuestionChanged):
            await world.registry.answer(
                citizen=anna, question=question, answers={"address": True, "income": True}, language="nl"
            )

        assert await world.registry.consents(anna) == []

    async def test_a_form_sent_twice_leaves_one_answer_that_counts(self, world: World, anna: str) -> None:
        question = await world.ask(anna)
        answers = {"address": True, "income": True}

        for _ in range(2):
            await world.registry.answer(citizen=anna, question=question, answers=answers, language="nl")

        current = [one for one in await world.registry.consents(anna) if one.current]
        assert sorted(one.category for one in current) == ["address", "income"]

    async def test_the_newest_answer_wins(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)
        await world.give(anna)

        current = {one.category: one.state for one in await world.registry.consents(anna) if one.current}

        assert current == {"address": "given", "income": "given"}

    async def test_each_event_is_in_the_outbox_in_order(self, world: World, anna: str) -> None:
        recorded = await world.give(anna, income=False)
        await world.registry.withdraw(recorded.consents[0], anna)

        kinds = world.database.read_now(
            lambda c: [row.kind for row in c.execute(select(OUTBOX).order_by(OUTBOX.c.seq))]
        )
        assert kinds == ["consent.given", "consent.refused", "consent.withdrawn"]


class TestCitizenWithdraws:
    async def test_the_record_and_its_event_say_so(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        world.clock.advance(60)

        done = await world.registry.withdraw(recorded.consents[0], anna)

        record = await world.registry.consent(recorded.consents[0], anna)
        assert done is not None
        assert (record.state, record.ended_at) == ("withdrawn", world.clock.now())
        assert done.revision > recorded.revision
        assert [event["type"] for event in await world.registry.events(record.id)] == ["given", "withdrawn"]

    async def test_a_second_withdrawal_changes_nothing(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        await world.registry.withdraw(recorded.consents[0], anna)

        assert await world.registry.withdraw(recorded.consents[0], anna) is None
        assert len(rows(world, "consent_event")) == 3

    async def test_nobody_withdraws_what_is_another_citizens(self, world: World, anna: str) -> None:
        """R-04: rights on every id."""
        recorded = await world.give(anna)

        assert await world.registry.withdraw(recorded.consents[0], world.citizen("bert")) is None
        assert await world.registry.consent(recorded.consents[0], world.citizen("bert")) is None

    async def test_all_of_one_agency_ends_in_one_act(self, world: World, anna: str) -> None:
        await world.give(anna)
        await world.give(anna, "health-insurance", "health-insurer")

        done = await world.registry.withdraw_agency("municipality", anna)

        states = {one.category: one.state for one in await world.registry.consents(anna)}
        assert states == {"address": "withdrawn", "income": "withdrawn", "birth-date": "given"}
        assert len(done.consents) == len(done.receipts) == 2

    async def test_nothing_given_is_nothing_to_end(self, world: World, anna: str) -> None:
        done = await world.registry.withdraw_agency("municipality", anna)

        assert done.consents == ()


class TestDatabaseForbids:
    @pytest.mark.parametrize("table", [*tables.APPEND_ONLY, *tables.FORGETTABLE, *tables.GROWING])
    @pytest.mark.parametrize("verb", ["update", "delete"])
    async def test_changing_or_deleting_what_was_written(self, world: World, anna: str, table: str, verb: str) -> None:
        await world.give(anna)
        asked = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
        permitted = await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(anna)))
        await world.registry.redeem(permitted.permit, source="tax-authority")
        await reported(world, permitted.outcome.permit_id)
        pseudonyms, now = world.ring.pseudonyms, world.clock.now()
        await world.database.write(lambda c: lookups.record(c, anna, "consent", pseudonyms=pseudonyms, now=now))
        await world.registry.ledger.round()
        given = (await world.give(world.citizen("bert"))).consents[0]
        await world.database.write(lambda c: places.of(c, given, pseudonyms=pseudonyms, now=now))
        await world.database.write(
            lambda c: forgetting.forget(c, world.citizen("bert"), pseudonyms=pseudonyms, now=now)
        )
        revision = govstack.Stored("policy", 1, "{}", world.clock.now(), "municipality", "", ended=False)
        await world.database.write(lambda c: govstack.add(c, "municipality", "policy", revision))
        there = tables.metadata.tables[table]
        first = next(iter(there.c))
        statement = update(there).values({first: first}) if verb == "update" else delete(there)
        before = rows(world, table)
        assert before

        with pytest.raises(DBAPIError, match="append-only"):
            world.database.write_now(lambda c: c.execute(statement))

        assert rows(world, table) == before

    async def test_emptying_a_table_on_postgresql(self, world: World, anna: str) -> None:
        if world.backend.name == "sqlite":
            pytest.skip("SQLite has no TRUNCATE: DELETE is the test before this one")
        await world.give(anna)

        with pytest.raises(DBAPIError, match="append-only"):
            world.database.write_now(lambda c: c.execute(text("TRUNCATE consent_event")))

    async def test_two_answers_that_count_for_the_same_thing(self, world: World, anna: str) -> None:
        await world.give(anna)
        row = dict(rows(world, "consent")[0]._mapping)

        with pytest.raises(IntegrityError):
            world.database.write_now(lambda c: c.execute(insert(tables.consent), {**row, "id": "another"}))

    async def test_a_consent_without_an_end(self, world: World, anna: str) -> None:
        await world.give(anna)

        with pytest.raises(IntegrityError):
            world.database.write_now(lambda c: c.execute(update(tables.consent).values(expires_at=None)))
