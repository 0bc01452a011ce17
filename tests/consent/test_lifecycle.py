"""A purpose's life: draft, submitted, published, retired; two people, and each step a leaf of the ledger."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent import publishing
from consent.catalogue import CatalogueError, read_purpose
from consent.ledger import catalogued
from consent.store import auditing
from consent.store.tables import act
from regie.commands import COMMANDS, Refused

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside
    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
PARKING = {
    "id": "parking-permit",
    "agency": "municipality",
    "title": {"nl": "Parkeren", "en": "Parking", "fy": "Parkeare"},
    "explanation": {"nl": "Wij geven een vergunning.", "en": "We give a permit."},
    "refusal": {"nl": "U kunt naar het loket.", "en": "You can come to the desk."},
    "legalBasis": "consent",
    "statute": "AVG art. 6 lid 1 onder a",
    "statuteUrl": "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    "data": ["address"],
    "maxDurationDays": 30,
    "retentionDays": 60,
    "recipients": [{"name": {"nl": "Parkeerbedrijf", "en": "Parking company"}}],
    "frequency": {"uses": 2, "periodDays": 7},
}


def step(world: World, what: Any, by: str, **how: bool) -> Any:
    now, pseudonyms = world.clock.now(), world.ring.pseudonyms
    return world.database.write_now(
        lambda c: what(c, "parking-permit", actor=by, pseudonyms=pseudonyms, now=now, **how)
    )


def draft(world: World, by: str = "els", **changes: Any) -> None:
    file, now = read_purpose(json.dumps({**PARKING, **changes}).encode()), world.clock.now()
    world.database.write_now(
        lambda c: publishing.add_purpose(c, file, actor=by, pseudonyms=world.ring.pseudonyms, now=now)
    )


def state(world: World, version: int = 1) -> str:
    catalogue = world.database.read_now(world.registry.snapshot)
    return catalogue.versions[("parking-permit", version)].state


class TestReview:
    @pytest.mark.parametrize("alone", ["els", "jan"])
    def test_who_wrote_or_submitted_it_does_not_publish_it(self, world: World, alone: str) -> None:
        draft(world, "els")
        step(world, publishing.submit, "jan")

        with pytest.raises(CatalogueError, match="another person must publish it"):
            step(world, publishing.publish, alone, reviewed=True)

        assert state(world) == "submitted"
        assert step(world, publishing.publish, "kim", reviewed=True).publisher == "kim"
        assert state(world) == "published"

    def test_a_draft_is_not_published_unread(self, world: World) -> None:
        draft(world)

        with pytest.raises(CatalogueError, match="no submitted version"):
            step(world, publishing.publish, "kim", reviewed=True)

    def test_what_a_reviewer_read_is_what_he_publishes(self, world: World) -> None:
        """Nothing else is put in its place between reading and publishing."""
        draft(world)
        step(world, publishing.submit, "els")
        draft(world, retentionDays=3650)

        with pytest.raises(CatalogueError, match="waits for review"):
            step(world, publishing.submit, "els")

        assert step(world, publishing.publish, "kim", reviewed=True).version == 1

    def test_it_only_goes_forward(self, world: World) -> None:
        draft(world)
        step(world, publishing.submit, "els")
        step(world, publishing.reject, "kim")

        for again in (publishing.submit, publishing.reject, publishing.retire):
            with pytest.raises(CatalogueError):
                step(world, again, "kim")
        assert state(world) == "retired"

    async def test_of_two_who_publish_at_once_one_does(self, world: World) -> None:
        draft(world)
        step(world, publishing.submit, "els")
        now, pseudonyms = world.clock.now(), world.ring.pseudonyms

        def publish(by: str) -> Any:
            return world.database.write(
                lambda c: publishing.publish(
                    c, "parking-permit", actor=by, pseudonyms=pseudonyms, now=now, reviewed=True
                )
            )

        done = await asyncio.gather(publish("kim"), publish("bob"), return_exceptions=True)

        assert [type(one) for one in done].count(CatalogueError) == 1


class TestLedger:
    def test_each_step_is_an_act_with_the_hash_and_who_did_it(self, world: World) -> None:
        draft(world, "els")
        hashed = step(world, publishing.submit, "jan").hash
        step(world, publishing.publish, "kim", reviewed=True)
        step(world, publishing.retire, "bob")

        rows = world.database.read_now(
            lambda c: c.execute(select(act.c.event, act.c.content).order_by(act.c.seq)).all()
        )
        told = [(row.event, row.content["by"], row.content["hash"]) for row in rows[-4:]]

        assert told == [
            ("purpose.added", "els", hashed),
            ("purpose.submitted", "jan", hashed),
            ("purpose.published", "kim", hashed),
            ("purpose.retired", "bob", hashed),
        ]
        assert all("hash" in row.content for row in rows if row.event == "agency.added")

    def test_the_catalogue_agrees_with_its_acts_until_somebody_edits_it(self, world: World) -> None:
        draft(world)
        step(world, publishing.submit, "els")
        step(world, publishing.publish, "kim", reviewed=True)
        draft(world, retentionDays=61)
        step(world, publishing.submit, "els")
        step(world, publishing.reject, "kim")

        def differ(connection: Any) -> list[Any]:
            acts = [line.row for line in auditing.acts(connection)]
            return list(catalogued.differences(acts, *auditing.catalogue_rows(connection)))

        assert world.database.read_now(differ) == []
        world.database.write_now(
            lambda c: c.exec_driver_sql("UPDATE purpose SET submitter = 'jan' WHERE id = 'parking-permit'")
        )
        assert len(world.database.read_now(differ)) == 2


class TestContent:
    async def test_it_is_shown_and_stands_in_the_notice(self, world: World, anna: str) -> None:
        """C-01, C-05: retention, recipients, frequency and the statute are part of what was shown."""
        world.publish(PARKING)

        question = await world.ask(anna, "parking-permit")

        notice = json.loads(question.notice_bytes("nl"))
        assert notice["recipients"] == ["Parkeerbedrijf"]
        assert (notice["retention_days"], notice["frequency"]) == (60, {"uses": 2, "period_days": 7})
        assert notice["statute_url"] == PARKING["statuteUrl"]

    async def test_the_public_catalogue_tells_what_ended(self, world: World) -> None:
        world.publish(PARKING)
        draft(world, "els", id="secret-plan")
        step(world, publishing.retire, "bob")

        async with world.client(None) as client:
            one = (await client.get("/consent/v1/purposes/parking-permit")).json()
            hidden = await client.get("/consent/v1/purposes/secret-plan")
            every = (await client.get("/consent/v1/purposes")).json()["purposes"]

        assert (one["state"], one["frequency"], one["recipients"][0]["name"]["en"]) == (
            "retired",
            {"uses": 2, "periodDays": 7},
            "Parking company",
        )
        assert hidden.status_code == 404
        assert {each["id"]: each["state"] for each in every} == {
            "housing-benefit": "published",
            "health-insurance": "published",
            "tax-return": "published",
            "parking-permit": "retired",
        }


class TestCommands:
    def _run(self, inside: Inside, command: str, **params: Any) -> Any:
        return COMMANDS[command](inside.house, {"id": "parking-permit", **params}, lambda _: None)

    def test_outside_development_it_takes_two_people(self, inside: Inside) -> None:
        inside.house.settings = inside.house.settings.model_copy(update={"development": False})
        file = json.dumps(PARKING)
        with pytest.raises(Refused, match="--by NAME"):
            self._run(inside, "purpose add", file=file)
        with pytest.raises(Refused, match="small letters"):
            self._run(inside, "purpose add", file=file, by="Els\u0455")
        self._run(inside, "purpose add", file=file, by="els")
        self._run(inside, "purpose submit", by="els")
        for by, sentence in (("", "--by NAME"), ("els", "another person")):
            with pytest.raises(Refused, match=sentence):
                self._run(inside, "purpose publish", by=by)

        self._run(inside, "purpose publish", by="kim")

        listed = next(one for one in self._run(inside, "purpose list") if one["id"] == "parking-permit")
        assert (listed["state"], listed["author"], listed["submitter"], listed["publisher"]) == (
            "published",
            "els",
            "els",
            "kim",
        )
        assert self._run(inside, "purpose show")[0]["retention_days"] == 60

    def test_in_development_one_may_do_it_all(self, inside: Inside) -> None:
        self._run(inside, "purpose add", file=json.dumps(PARKING))

        assert self._run(inside, "purpose publish")["state"] == "published"
