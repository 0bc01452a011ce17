"""Stopping everything in one act; asking again, with what changed marked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from consent.interface import PersonalDataUse
from consent.permits import Asked
from tests.consent.ledger.test_inspect import inspected
from tests.consent.test_lodged_requests import browser_of

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside
    from tests.fixtures.registry import World

one_kind = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


async def answered(registry: Any, citizen: str, agency: str, use: PersonalDataUse) -> None:
    question = await registry.question(citizen=citizen, agency=agency, requests=[use], answered=(), anew=True)
    answers = {item.category: True for item in question.items}
    await registry.answer(citizen=citizen, question=question, answers=answers, language="nl")


class TestEverything:
    async def test_it_is_one_commit_of_all_that_he_gave_and_of_nobody_else(self, world: World, anna: str) -> None:
        """Checklist row 12; C-07: what is under way is named."""
        bert = world.citizen("bert")
        for citizen in (anna, bert):
            await world.give(citizen)
            await world.give(citizen, "health-insurance", "health-insurer")
        asked = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
        permitted = await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(anna)))

        done = await world.registry.withdraw_all(anna)

        assert (len(done.consents), len(done.receipts)) == (3, 3)
        assert done.under_way == (permitted.outcome.permit_id,)
        mine = await world.registry.consents(anna)
        assert {one.state for one in mine} == {"withdrawn"}
        assert len({one.ended_at for one in mine}) == 1
        assert {one.state for one in await world.registry.consents(bert)} == {"given"}
        assert (await world.registry.withdraw_all(anna)).consents == ()
        world.clock.advance(5)
        await world.registry.ledger.round()
        assert inspected(world) == []
        for receipt in done.receipts:
            assert json.loads(await world.registry.receipt_file(receipt, anna))

    @one_kind
    async def test_the_page_asks_once_and_gives_a_receipt_of_each(self, inside: Inside) -> None:
        """Rule 1: no more steps than giving took. Rule 20: no reason."""
        registry = inside.house.consent.registry
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        await answered(registry, anna, "municipality", PersonalDataUse("housing-benefit"))
        await answered(registry, anna, "health-insurer", PersonalDataUse("health-insurance"))
        browser = await browser_of(inside, "anna", "/my/consents")
        assert 'href="/my/withdraw-everything"' in browser.html

        await browser.get(f"{inside.issuer}/my/withdraw-everything")
        assert {one.state for one in await registry.consents(anna)} == {"given"}
        await browser.submit("/my/withdraw-everything")

        assert browser.url == f"{inside.issuer}/my/withdraw-everything?done=1"
        mine = await registry.consents(anna)
        assert {one.state for one in mine} == {"withdrawn"}
        receipts = re.findall(r'href="(/my/receipts/[^/]+)/check"', browser.html)
        assert sorted(receipts) == sorted(f"/my/receipts/{one.id}" for one in mine)
        await browser.get(f"{inside.issuer}/my/consents")
        assert "/my/withdraw-everything" not in browser.html
        await browser.get(f"{inside.issuer}/my/withdraw-everything")
        assert browser.url == f"{inside.issuer}/my/consents"

    @one_kind
    async def test_it_needs_the_form_of_this_session(self, inside: Inside) -> None:
        registry = inside.house.consent.registry
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        await answered(registry, anna, "municipality", PersonalDataUse("housing-benefit"))
        browser = await browser_of(inside, "anna")

        origin = {"origin": inside.issuer}
        done = await browser.http.post("/my/withdraw-everything", data={"csrf_token": "x"}, headers=origin)

        assert done.status_code in (400, 403)
        assert {one.state for one in await registry.consents(anna)} == {"given"}


@one_kind
class TestWhatChanged:
    """Rule 10: amending and renewing mark what is different, in the notice too."""

    async def _marks(self, world: World, citizen: str, *, anew: bool = False) -> dict[str, str]:
        question = await world.ask(citizen, anew=anew)
        notice = {one["category"]: one["mark"] for one in json.loads(question.notice_bytes("nl"))["items"]}
        assert notice == {one.category: one.mark for one in question.items}
        return notice

    async def test_where_nothing_was_asked_before_nothing_is_marked(self, world: World, anna: str) -> None:
        assert await self._marks(world, anna) == {"address": "", "income": ""}

    async def test_renewing_says_until_when_it_is_allowed_now(self, world: World, anna: str) -> None:
        await world.give(anna)

        assert await self._marks(world, anna, anew=True) == {"address": "standing", "income": "standing"}
        question = await world.ask(anna, anew=True)
        assert {item.until for item in question.items} == {
            one.expires_at for one in await world.registry.consents(anna)
        }

    async def test_amending_asks_only_what_is_new(self, world: World, anna: str) -> None:
        await answered(world.registry, anna, "municipality", PersonalDataUse("housing-benefit", ("address",)))

        assert await self._marks(world, anna) == {"income": "new"}

    async def test_a_changed_purpose_says_what_was_allowed_before_and_what_is_new(
        self, world: World, anna: str
    ) -> None:
        await world.give(anna)
        world.publish({**world.documents["purposes"][0], "data": ["address", "income", "name"]})

        assert await self._marks(world, anna) == {"address": "earlier", "income": "earlier", "name": "new"}

    async def test_what_expired_says_so(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)
        world.clock.advance(365 * 86_400)

        assert await self._marks(world, anna) == {"address": "ended", "income": ""}

    async def test_a_renewal_takes_the_place_of_what_was(self, world: World, anna: str) -> None:
        await world.give(anna)
        world.clock.advance(86_400)
        await answered(world.registry, anna, "municipality", PersonalDataUse("housing-benefit"))

        mine = await world.registry.consents(anna)

        assert [one.current for one in mine] == [True, True, False, False]
        assert mine[0].expires_at > mine[-1].expires_at


@one_kind
async def test_the_page_of_a_consent_that_was_used_says_so(inside: Inside) -> None:
    registry = inside.house.consent.registry
    anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
    await answered(registry, anna, "municipality", PersonalDataUse("housing-benefit", ("address",), one_time=True))
    released = await registry.release(
        citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
    )
    (mine,) = await registry.consents(anna)
    browser = await browser_of(inside, "anna")

    await browser.get(f"{inside.issuer}/my/consents/{mine.id}")

    assert (released, mine.state, browser.status) == (frozenset({"address"}), "used", 200)
    assert "één keer" in browser.html or "one time" in browser.html
