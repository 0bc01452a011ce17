"""What a request may ask is the same at every door, and said; what was given for one time serves once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from consent.interface import PersonalDataUse
from consent.permits import Asked
from consent.store.tables import consent_event
from idp.store import tables
from tests.consent.ledger.test_inspect import inspected
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside
    from tests.fixtures.registry import World

ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
GRANT = "urn:openid:params:grant-type:ciba"
USE = {"type": "personal_data_use", "purpose": "housing-benefit"}
ABOVE = [
    ({**USE, "data": ["address", "nationality"]}, "allows no other data than"),
    ({**USE, "duration_days": 3650}, "allows 1 to 365 days"),
    ({**USE, "purpose": "health-insurance"}, "not published for this agency"),
]
one_kind = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@one_kind
@pytest.mark.parametrize(("asked", "sentence"), ABOVE)
class TestEveryDoor:
    """C-13; checklist row 37: before anything is kept and anybody is asked."""

    async def test_a_pushed_request(self, inside: Inside, asked: dict[str, Any], sentence: str) -> None:
        await self._refused(inside, "/oauth2/par", asked, sentence, redirect_uri=CALLBACK, response_type="code")

    async def test_a_request_without_a_browser(self, inside: Inside, asked: dict[str, Any], sentence: str) -> None:
        sub = await inside.known("anna")
        await self._refused(inside, "/oauth2/bc-authorize", asked, sentence, login_hint=sub)

    async def test_a_redirect(self, inside: Inside, asked: dict[str, Any], sentence: str) -> None:
        """Nobody needs to be logged in for it."""
        client = inside.register()
        details = json.dumps([asked])
        form = {"client_id": client.client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
        proof = {"code_challenge": "a" * 43, "code_challenge_method": "S256"}
        async with inside.http() as http:
            done = await http.get("/oauth2/authorize", params={**form, **proof, "authorization_details": details})

        answer = {name: values[0] for name, values in parse_qs(urlsplit(done.headers["location"]).query).items()}
        assert answer["error"] == "invalid_authorization_details"
        assert sentence in answer["error_description"]

    async def _refused(self, inside: Inside, path: str, asked: dict[str, Any], sentence: str, **form: str) -> None:
        client = inside.register(grant_types=[GRANT, "authorization_code"])
        if "redirect_uri" in form:
            form |= {"client_id": client.client_id, "code_challenge": "a" * 43, "code_challenge_method": "S256"}
        details = json.dumps([asked])

        done = await inside.post(path, client, scope="openid", authorization_details=details, **form)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_authorization_details"), done.text
        assert sentence in done.json()["error_description"]
        kept = select(func.count()).select_from(tables.authorization_request)
        assert inside.house.databases["idp"].read_now(lambda c: c.execute(kept).scalar()) == 0


class TestOneTime:
    async def _give(self, world: World, citizen: str) -> Any:
        wanted = [PersonalDataUse("housing-benefit", ("income",), 86_400, one_time=True)]
        question = await world.registry.question(
            citizen=citizen, agency="municipality", requests=wanted, answered=(), anew=False
        )
        assert question.one_time
        return await world.registry.answer(citizen=citizen, question=question, answers={"income": True}, language="nl")

    async def test_of_twenty_permits_at_once_one_is_issued(self, world: World, anna: str) -> None:
        given = await self._give(world, anna)
        sub = world.sub(anna)

        done = await asyncio.gather(
            *(world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub)) for _ in range(20))
        )

        assert sorted(one.outcome.decision.reason for one in done) == ["consent"] + ["used"] * 19
        found = await world.registry.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
        assert found.decision.reason == "used"
        assert [one["type"] for one in await world.registry.events(given.consents[0])] == ["given", "used"]
        world.clock.advance(5)
        await world.registry.ledger.round()
        assert inspected(world) == []

    @one_kind
    async def test_what_the_provider_releases_ends_it_and_a_denied_attempt_does_not(
        self, world: World, anna: str
    ) -> None:
        await self._give(world, anna)
        release = {"citizen": anna, "agency": "municipality", "purpose": "housing-benefit"}
        other = Asked("municipality", "housing-benefit", ("income",), "population-register")
        denied = await world.database.write(lambda c: world.registry.permit_unit(c, other, world.sub(anna)))
        assert denied.outcome.decision.reason == "other_source"

        done = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(anna)))

        assert done.permit
        assert await world.registry.release(**release, categories=frozenset({"income"})) == frozenset()

    @one_kind
    async def test_it_is_asked_again_by_who_wants_it_for_longer(self, world: World, anna: str) -> None:
        await self._give(world, anna)

        question = await world.ask(anna)

        assert [item.category for item in question.items] == ["address", "income"]
        await world.give(anna)
        events = world.database.read_now(lambda c: c.execute(select(consent_event.c.once)).scalars().all())
        assert events == [True, False, False]
