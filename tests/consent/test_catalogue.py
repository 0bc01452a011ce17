"""The catalogue: files with clear refusals, versions pinned by their hash, draft, published, retired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from base.database.tables import AUDIT
from consent import publishing
from consent.catalogue import CatalogueError, read_agency, read_purpose
from consent.interface import AboveGuardRail, PersonalDataUse, UnknownPurpose

if TYPE_CHECKING:
    from tests.fixtures.registry import World


@pytest.fixture
def purpose(world: World) -> dict[str, Any]:
    return dict(world.documents["purposes"][0])


class TestFiles:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"legalBasis": "because"}, "legalBasis must be one of consent"),
            ({"data": ["address", "address"]}, "twice"),
            ({"data": []}, "not as expected"),
            ({"maxDurationDays": 0}, "not as expected"),
            ({"maxDurationDays": 36_500}, "not as expected"),
            ({"title": {"nl": "Alleen Nederlands"}}, "title: the text is missing in en"),
            ({"title": {"nl": " ", "en": "x"}}, "title: the text is missing in nl"),
            ({"id": "Housing Benefit"}, "not as expected: Expected 2 to 63 small letters"),
            ({"surprise": 1}, "unknown field `surprise`"),
            ({"title": {"nl": "x", "en": "x", "EN;q=1": "x"}}, "not a language tag"),
            ({"statuteUrl": "http://wetten.example"}, "statuteUrl must be an https address"),
            ({"statuteUrl": "https://wetten.example/\n"}, "statuteUrl must be an https address"),
            ({"statuteUrl": "javascript:alert(1)"}, "statuteUrl must be an https address"),
            ({"retentionDays": 0}, "not as expected"),
            ({"frequency": {"uses": 0, "periodDays": 7}}, "not as expected"),
            ({"frequency": {"uses": 1, "periodDays": 400}}, "not as expected"),
            ({"recipients": [{"name": {"nl": "Alleen"}}]}, "recipients, 1: name: the text is missing in en"),
            ({"recipients": [{"name": {"nl": "x", "en": "x"}}] * 11}, "not as expected"),
        ],
    )
    def test_a_purpose_is_refused_with_what_to_mend(
        self, purpose: dict[str, Any], change: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(CatalogueError, match=sentence):
            read_purpose(json.dumps({**purpose, **change}).encode())

    @pytest.mark.parametrize("text", ["<b>Gemeente</b>", "Gem\u200beente", "\u202eetneemeG", "Ge\u0000meente"])
    def test_markup_and_invisible_characters_are_refused(self, purpose: dict[str, Any], text: str) -> None:
        """C-03: consent phishing."""
        with pytest.raises(CatalogueError, match="not allowed"):
            read_purpose(json.dumps({**purpose, "title": {"nl": text, "en": "x"}}).encode())

    def test_a_letter_of_another_script_that_looks_like_ours_is_refused(self, purpose: dict[str, Any]) -> None:
        """C-03: homoglyphs. The second letter of this Gemeente is Cyrillic."""
        with pytest.raises(CatalogueError, match="another script"):
            read_purpose(json.dumps({**purpose, "title": {"nl": "G\u0435meente", "en": "x"}}).encode())

    def test_accents_and_digits_are_letters_of_ours(self, purpose: dict[str, Any]) -> None:
        file = read_purpose(
            json.dumps({**purpose, "title": {"nl": "Één ijsje: € 2, Coöperatie Ðé", "en": "x"}}).encode()
        )

        assert file.title["nl"].startswith("Één")

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"id": 1}'])
    def test_what_is_no_agency_file_is_refused(self, raw: bytes) -> None:
        with pytest.raises(CatalogueError, match="not as expected"):
            read_agency(raw)


class TestChanging:
    def test_an_unknown_agency_or_category_is_refused(self, world: World, purpose: dict[str, Any]) -> None:
        with pytest.raises(CatalogueError, match="there is no agency nobody"):
            world.publish({**purpose, "id": "another", "agency": "nobody"})
        with pytest.raises(CatalogueError, match="no agency is the source of dreams"):
            world.publish({**purpose, "id": "another", "data": ["address", "dreams"]})

    def test_an_agency_does_not_take_anothers_purpose_or_category(self, world: World, purpose: dict[str, Any]) -> None:
        """T-43 in the catalogue."""
        thief = {"id": "thief", "oin": "9" * 20, "name": {"nl": "D", "en": "T"}, "contact": "x"}
        category = {"id": "income", "name": {"nl": "I", "en": "I"}, "description": {"nl": "I", "en": "I"}}

        with pytest.raises(CatalogueError, match="another agency is the source"):
            self._add(world, {**thief, "categories": [category]})
        self._add(world, thief)
        with pytest.raises(CatalogueError, match="a purpose of another agency"):
            world.publish({**purpose, "agency": "thief"})

    def _add(self, world: World, agency: dict[str, Any]) -> None:
        raw = [json.dumps(agency).encode()]
        world.database.write_now(
            lambda c: publishing.seed(c, raw, [], actor="test", pseudonyms=world.ring.pseudonyms, now=world.clock.now())
        )

    async def test_a_draft_is_not_asked(self, world: World, anna: str, purpose: dict[str, Any]) -> None:
        raw = json.dumps({**purpose, "id": "another"}).encode()
        now = world.clock.now()
        world.database.write_now(
            lambda c: publishing.add_purpose(
                c, read_purpose(raw), actor="test", pseudonyms=world.ring.pseudonyms, now=now
            )
        )

        with pytest.raises(UnknownPurpose):
            await world.ask(anna, "another")

    async def test_the_same_content_is_the_same_version(self, world: World, purpose: dict[str, Any]) -> None:
        world.publish(purpose)

        assert (await world.registry.catalogue()).purposes["housing-benefit"].version == 1

    async def test_a_new_version_ends_what_was_given_to_the_old_one(
        self, world: World, anna: str, purpose: dict[str, Any]
    ) -> None:
        """C-11: an old consent never stretches to a new purpose."""
        await world.give(anna)
        before = (await world.registry.catalogue()).purposes["housing-benefit"]

        world.publish({**purpose, "data": ["address", "income", "name"]})

        after = (await world.registry.catalogue()).purposes["housing-benefit"]
        question = await world.ask(anna)
        assert (after.version, after.hash) != (before.version, before.hash)
        assert [item.category for item in question.items] == ["address", "income", "name"]

    async def test_a_retired_purpose_is_neither_asked_nor_allowed(self, world: World, anna: str) -> None:
        await world.give(anna)
        now = world.clock.now()

        world.database.write_now(
            lambda c: publishing.retire(c, "housing-benefit", actor="test", pseudonyms=world.ring.pseudonyms, now=now)
        )

        with pytest.raises(UnknownPurpose):
            await world.ask(anna)
        sub = world.sub(anna)
        found = await world.registry.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["address"])
        assert found.decision.reason == "unknown_purpose"
        with pytest.raises(CatalogueError, match="not published"):
            world.database.write_now(
                lambda c: publishing.retire(
                    c, "housing-benefit", actor="test", pseudonyms=world.ring.pseudonyms, now=now
                )
            )

    def test_each_change_leaves_its_audit_line(self, world: World) -> None:
        world.suspend("municipality")

        events = world.database.read_now(lambda c: [row.event for row in c.execute(select(AUDIT))])

        assert events.count("agency.added") == 4
        assert events.count("purpose.published") == 3
        assert events[-1] == "agency.suspended"

    async def test_another_worker_sees_a_change_at_once(self, world: World, purpose: dict[str, Any]) -> None:
        other = world.another_worker()
        await other.catalogue()

        world.publish({**purpose, "statute": "another"})

        assert (await other.catalogue()).purposes["housing-benefit"].version == 2


class TestGuardRails:
    @pytest.mark.parametrize(
        ("wanted", "error"),
        [
            (PersonalDataUse("housing-benefit", ("address", "nationality")), AboveGuardRail),
            (PersonalDataUse("housing-benefit", None, 366 * 86_400), AboveGuardRail),
            (PersonalDataUse("housing-benefit", None, 0), AboveGuardRail),
            (PersonalDataUse("health-insurance"), UnknownPurpose),
            (PersonalDataUse("nothing"), UnknownPurpose),
        ],
    )
    async def test_a_request_above_its_purpose_is_refused_before_anybody_is_asked(
        self, world: World, anna: str, wanted: PersonalDataUse, error: type[Exception]
    ) -> None:
        """C-13; checklist row 37."""
        first = PersonalDataUse("housing-benefit")

        with pytest.raises(error):
            await world.registry.question(
                citizen=anna, agency="municipality", requests=[first, wanted], answered=(), anew=False
            )


class TestQuestions:
    async def test_only_what_has_no_answer_that_counts_is_asked(self, world: World, anna: str) -> None:
        question = await world.ask(anna)
        assert [item.category for item in question.items] == ["address", "income"]
        await world.give(anna, income=False)

        again = await world.ask(anna)

        assert [item.category for item in again.items] == ["income"]
        assert [item.category for item in again.already] == ["address"]

    async def test_a_refusal_is_not_asked_twice_in_one_request(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)

        assert await world.ask(anna, answered=("housing-benefit",)) is None

    async def test_of_two_purposes_each_refusal_is_asked_again_once(self, world: World, anna: str) -> None:
        world.publish({**world.documents["purposes"][0], "id": "parking-permit"})
        for purpose in ("housing-benefit", "parking-permit"):
            await world.give(anna, purpose, address=False, income=False)
        both = [PersonalDataUse("housing-benefit"), PersonalDataUse("parking-permit")]

        asked = []
        for answered in ((), ("housing-benefit",), ("housing-benefit", "parking-permit")):
            question = await world.registry.question(
                citizen=anna, agency="municipality", requests=both, answered=answered, anew=False
            )
            asked.append(question.purpose if question is not None else None)

        assert asked == ["housing-benefit", "parking-permit", None]

    async def test_asked_anew_what_was_allowed_is_asked_too_but_once(self, world: World, anna: str) -> None:
        """prompt=consent (OpenID Connect Core section 3.1.2.1)."""
        await world.give(anna)

        assert len((await world.ask(anna, anew=True)).items) == 2
        assert await world.ask(anna, answered=("housing-benefit",), anew=True) is None

    async def test_what_was_withdrawn_or_has_ended_is_asked(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        await world.registry.withdraw(recorded.consents[0], anna)
        assert len((await world.ask(anna, answered=("housing-benefit",))).items) == 1

        world.clock.advance(365 * 86_400)

        assert len((await world.ask(anna, answered=("housing-benefit",))).items) == 2

    async def test_another_legal_basis_is_not_asked(self, world: World, anna: str) -> None:
        assert await world.ask(anna, "tax-return", "tax-authority") is None

    async def test_a_shorter_time_and_less_data_may_be_asked(self, world: World, anna: str) -> None:
        wanted = PersonalDataUse("housing-benefit", ("income",), 3_600)

        question = await world.registry.question(
            citizen=anna, agency="municipality", requests=[wanted], answered=(), anew=False
        )

        assert [item.category for item in question.items] == ["income"]
        assert question.duration_s == 3_600
        assert question.items[0].source_name["en"] == "Tax authority"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_anybody_can_read_where_each_kind_of_data_comes_from(world: World) -> None:
    async with world.client(None) as client:
        found = (await client.get("/consent/v1/categories")).json()["categories"]
        world.suspend("tax-authority")
        after = (await client.get("/consent/v1/categories")).json()["categories"]

    income = next(one for one in found if one["id"] == "income")
    assert (income["source"], income["sensitivity"]) == ("tax-authority", "financial")
    assert income["name"] == {"nl": "Inkomen", "en": "Income"}
    assert [one["id"] for one in found if one not in after] == ["income"]
