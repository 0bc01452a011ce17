"""An agency lodges a request; the citizen finds it, answers what he likes of it, and comes back to the agency."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from base.database.tables import OUTBOX
from consent.events import sets
from consent.events.streams import ENABLED, Wanted
from consent.events.streams import add as made
from consent.lodging import MOST_OPEN
from consent.store import events
from tests.fixtures.registry import CALLBACK as REGISTERED
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from agency.client import Client
    from tests.fixtures.inside import Browser, Inside
    from tests.fixtures.registry import World

PATH = "/consent/v1/requests"
USES = [{"purpose": "housing-benefit", "data": ["address", "income"], "durationDays": 30}]


class Desk:
    """An agency with a token, and a citizen that it knows."""

    def __init__(self, inside: Inside, client: Client, sub: str, token: str) -> None:
        self.inside = inside
        self.client = client
        self.sub = sub
        self.headers = {"authorization": f"Bearer {token}"}

    async def post(self, key: str | None = None, **changes: Any) -> httpx2.Response:
        body = {"sub": self.sub, "uses": USES, "callback": CALLBACK, **changes}
        headers = {**self.headers, **({"idempotency-key": key} if key else {})}
        async with self.inside.http() as http:
            return await http.post(PATH, json=body, headers=headers)

    async def lodged(self, **changes: Any) -> dict[str, Any]:
        done = await self.post(**changes)
        assert done.status_code == 201, done.text
        body: dict[str, Any] = done.json()
        return body

    async def delete(self, request: dict[str, Any]) -> httpx2.Response:
        async with self.inside.http() as http:
            return await http.delete(f"{PATH}/{request['id']}", headers=self.headers)

    async def state(self, request: dict[str, Any]) -> str:
        async with self.inside.http() as http:
            return str((await http.get(f"{PATH}/{request['id']}", headers=self.headers)).json()["state"])

    async def reasons(self) -> dict[str, str]:
        registry = self.inside.house.consent.registry
        data = ["address", "income"]
        found = await registry.check(agency="municipality", sub=self.sub, purpose="housing-benefit", data=data)
        return {item.category: item.reason for item in found.decision.items}

    def told(self) -> list[str]:
        rows = self.inside.house.databases["consent"].read_now(lambda c: c.execute(select(OUTBOX)).all())
        return [row.kind for row in rows if row.kind.startswith("request.")]


async def desk_of(inside: Inside, agency: str) -> Desk:
    grants = ["authorization_code", "client_credentials"]
    client = inside.register(agency, grant_types=grants, scope="openid consent:request")
    sub = await inside.known("anna", agency)
    done = await inside.post("/oauth2/token", client, grant_type="client_credentials", scope="consent:request")
    return Desk(inside, client, sub, done.json()["access_token"])


@pytest.fixture
async def desk(inside: Inside) -> Desk:
    return await desk_of(inside, "municipality")


async def browser_of(inside: Inside, username: str, to: str = "/my") -> Browser:
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to={to}")
    await browser.log_in(username)
    return browser


class TestAnswering:
    async def test_by_its_link_in_part_and_back_to_the_agency(self, inside: Inside, desk: Desk) -> None:
        request = await desk.lodged()
        assert await desk.state(request) == "lodged"

        browser = inside.browser()
        await browser.get(request["link"])
        assert "/login" in browser.url
        await browser.log_in("anna")

        assert browser.url == f"{inside.issuer}/my/requests/{request['id']}"
        assert await desk.state(request) == "shown"
        await browser.submit(f"/my/requests/{request['id']}", address="allow", income="deny")
        assert browser.arrived == f"{CALLBACK}?request={request['id']}"
        assert await desk.state(request) == "answered"
        assert await desk.reasons() == {"address": "consent", "income": "refused"}
        assert desk.told() == ["request.answered"]
        await browser.get(request["link"])
        assert browser.status == 404

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_from_the_list_of_what_he_is_asked(self, inside: Inside, desk: Desk) -> None:
        request = await desk.lodged(uses=[{"purpose": "housing-benefit", "data": ["income"], "oneTime": True}])
        browser = await browser_of(inside, "anna", "/my/requests")
        assert f'href="/my/requests/{request["id"]}"' in browser.html

        await browser.get(f"{inside.issuer}/my/requests/{request['id']}")
        assert "Eén keer, binnen" in browser.html
        await browser.submit(f"/my/requests/{request['id']}")
        assert browser.status == 400
        await browser.submit(f"/my/requests/{request['id']}", stop="1")

        assert browser.arrived == f"{CALLBACK}?request={request['id']}"
        assert await desk.state(request) == "closed"
        assert await desk.reasons() == {"address": "no_consent", "income": "no_consent"}
        assert desk.told() == ["request.closed"]
        await browser.get(f"{inside.issuer}/my/requests")
        assert request["id"] not in browser.html

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_who_is_too_young_can_go_back_and_nothing_else(self, make_inside: Callable[..., Inside]) -> None:
        """Rule 28, GDPR art. 8: nobody is a hundred years old."""
        inside = make_inside(consent_age=100)
        desk = await desk_of(inside, "municipality")
        request = await desk.lodged()
        path = f"/my/requests/{request['id']}"
        browser = await browser_of(inside, "anna", path)

        assert browser.status == 403
        assert 'type="radio"' not in browser.html
        await browser.submit(path, address="allow", income="allow")
        assert browser.status == 403
        assert await desk.reasons() == {"address": "no_consent", "income": "no_consent"}
        await browser.submit(path, stop="1")
        assert browser.arrived == f"{CALLBACK}?request={request['id']}"
        assert await desk.state(request) == "closed"

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_what_was_sent_twice_is_answered_once(self, inside: Inside, desk: Desk) -> None:
        request = await desk.lodged()
        house, anna = inside.house, inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        one, question = await house.consent.lodging.open(request["id"], anna)
        given = {item.category: True for item in question.items}

        await asyncio.gather(*(house.consent.lodging.answer(one, question, given, "nl") for _ in range(5)))

        assert len(await house.consent.registry.consents(anna)) == 2
        assert desk.told() == ["request.answered"]

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_what_he_allows_already_is_asked_only_to_renew_it(self, inside: Inside, desk: Desk) -> None:
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        lodging, again = inside.house.consent.lodging, []
        one, question = await lodging.open((await desk.lodged())["id"], anna)
        await lodging.answer(one, question, {"address": True, "income": True}, "nl")

        for renew in (False, True):
            _, found = await lodging.open((await desk.lodged(renew=renew))["id"], anna)
            again.append([item.category for item in found.items] if found is not None else None)

        assert again == [None, ["address", "income"]]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestWhoMay:
    async def test_to_another_citizen_and_when_it_is_over_it_is_as_unknown_as_any(
        self, inside: Inside, desk: Desk
    ) -> None:
        request = await desk.lodged(expiresIn=120)
        bram = await browser_of(inside, "bram")
        seen = []
        for address in (request["link"], f"{inside.issuer}/my/requests/links/{'A' * 43}"):
            await bram.get(address)
            seen.append((bram.status, bram.html.split("<h1")[1].split("</h1>")[0]))
        for request_id in (request["id"], "A" * 22):
            await bram.get(f"{inside.issuer}/my/requests/{request_id}")
            seen.append((bram.status, bram.html.split("<h1")[1].split("</h1>")[0]))
        assert len(set(seen)) == 1
        assert seen[0][0] == 404
        assert await desk.state(request) == "lodged"

        anna = await browser_of(inside, "anna")
        inside.clock.advance(60)
        await anna.get(request["link"])

        assert anna.status == 404
        assert "Een link uit een brief werkt tot u geantwoord heeft" in anna.html
        assert await desk.state(request) == "expired"

    async def test_of_a_suspended_agency_it_waits(self, inside: Inside, desk: Desk) -> None:
        request, anna = await desk.lodged(), inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        inside.run("agency suspend", id="municipality")
        assert await inside.house.consent.lodging.open(request["id"], anna) is None
        assert await inside.house.consent.registry.asked(anna) == []

        inside.run("agency resume", id="municipality")

        assert (await inside.house.consent.lodging.open(request["id"], anna))[1] is not None

    async def test_another_agency_does_not_see_it(self, inside: Inside, desk: Desk) -> None:
        request = await desk.lodged()
        tax = await desk_of(inside, "tax-authority")

        async with inside.http() as http:
            other = await http.get(f"{PATH}/{request['id']}", headers=tax.headers)
            nothing = await http.get(f"{PATH}/{'A' * 22}", headers=tax.headers)

        assert (other.status_code, other.json()["detail"]) == (404, nothing.json()["detail"])
        assert (await tax.post(sub=desk.sub)).status_code == 403  # their purpose is not its own
        stolen = await tax.post(sub=desk.sub, uses=[{"purpose": "tax-return"}])
        assert stolen.status_code == 403


class TestWhatTheAgencyHears:
    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_that_he_answered_or_stopped_and_nothing_of_what(self, inside: Inside, desk: Desk) -> None:
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        lodging, streams = inside.house.consent.lodging, inside.house.consent.registry.database
        ours, theirs = (
            streams.write_now(
                lambda c, one=one: made(
                    c,
                    one,
                    "test",
                    Wanted(sets.KINDS, ENABLED),
                    inside.clock.now(),
                    pseudonyms=inside.house.ring.pseudonyms,
                )
            )
            for one in ("municipality", "tax-authority")
        )
        refused, stopped = await desk.lodged(), await desk.lodged()
        one, question = await lodging.open(refused["id"], anna)
        await lodging.answer(one, question, dict.fromkeys(("address", "income"), False), "nl")
        one, _ = await lodging.open(stopped["id"], anna)
        await lodging.close(one)

        found = streams.read_now(lambda c: events.waiting(c, ours.id, 10))
        assert [(one.kind, one.sub, one.content) for one in found] == [
            ("request-answered", desk.sub, {"request": refused["id"]}),
            ("request-closed", desk.sub, {"request": stopped["id"]}),
        ]
        assert streams.read_now(lambda c: events.waiting(c, theirs.id, 10)) == []


class TestTakingBack:
    async def test_the_link_serves_no_longer_and_nobody_is_asked(self, inside: Inside, desk: Desk) -> None:
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        lodging = inside.house.consent.lodging
        kept, gone = await desk.lodged(), await desk.lodged()
        one, question = await lodging.open(gone["id"], anna)  # he has the page open
        done = [await desk.delete(gone) for _ in range(2)]
        await lodging.answer(one, question, dict.fromkeys(("address", "income"), True), "nl")
        browser = await browser_of(inside, "anna", urlsplit(gone["link"]).path)

        assert [answer.status_code for answer in done] == [204, 204]
        assert browser.status == 404
        assert [await desk.state(one) for one in (kept, gone)] == ["lodged", "closed"]
        assert await desk.reasons() == {"address": "no_consent", "income": "no_consent"}
        waiting = await inside.house.consent.registry.asked(anna)
        assert [one.path for one in waiting] == [f"/my/requests/{kept['id']}"]

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_what_is_over_or_anothers_cannot_be(self, inside: Inside, desk: Desk) -> None:
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
        lodging, tax = inside.house.consent.lodging, await desk_of(inside, "tax-authority")
        answered, late = await desk.lodged(), await desk.lodged(expiresIn=60)
        one, question = await lodging.open(answered["id"], anna)
        await lodging.answer(one, question, dict.fromkeys(("address", "income"), False), "nl")
        stolen = await tax.delete(late)
        inside.clock.advance(61)
        done = [await desk.delete(one) for one in (answered, late, {"id": "A" * 22})]

        assert [(one.status_code, one.json().get("reason")) for one in done] == [
            (409, "answered"),
            (409, "expired"),
            (404, None),
        ]
        assert (stolen.status_code, stolen.json()["detail"]) == (404, done[2].json()["detail"])
        assert [await desk.state(one) for one in (answered, late)] == ["answered", "expired"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("changes", "status", "sentence"),
        [
            ({"callback": f"{REGISTERED}&more"}, 403, "no redirect address"),
            ({"uses": [{"purpose": "housing-benefit", "data": ["nationality"]}]}, 403, "no other data than"),
            ({"uses": [{"purpose": "housing-benefit", "durationDays": 366}]}, 403, "allows 1 to 365 days"),
            ({"uses": [{"purpose": "health-insurance"}]}, 403, "not published for this agency"),
            ({"uses": [{"purpose": "housing-benefit"}] * 2}, 403, "named twice"),
            ({"uses": []}, 400, ""),
            ({"expiresIn": 59}, 400, ""),
            ({"sub": "A" * 43}, 404, "No citizen"),
        ],
    )
    async def test_with_what_is_allowed_and_nothing_kept(
        self, world: World, anna: str, changes: dict[str, Any], status: int, sentence: str
    ) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        body = {"sub": world.sub(anna), "uses": [{"purpose": "housing-benefit"}], "callback": REGISTERED, **changes}

        async with world.client() as client:
            done = await client.post(PATH, json=body)

        assert (done.status_code, sentence in done.json()["detail"]) == (status, True), done.text
        assert await world.registry.asked(anna) == []

    async def test_more_than_a_citizen_can_answer(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        body = {"sub": world.sub(anna), "uses": [{"purpose": "housing-benefit"}], "callback": REGISTERED}

        async with world.client() as client:
            done = [(await client.post(PATH, json=body)).status_code for _ in range(MOST_OPEN + 1)]
            keyed = [await client.post(PATH, json=body, headers={"idempotency-key": "k"}) for _ in range(2)]

        assert done == [201] * MOST_OPEN + [409]
        assert [one.status_code for one in keyed] == [409, 409]

    async def test_the_same_key_is_the_same_request(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        body = {"sub": world.sub(anna), "uses": [{"purpose": "housing-benefit"}], "callback": REGISTERED}

        async with world.client() as client:
            done = [await client.post(PATH, json=body, headers={"idempotency-key": "k"}) for _ in range(2)]
            other = await client.post(PATH, json={**body, "renew": True}, headers={"idempotency-key": "k"})

        assert done[0].content == done[1].content
        assert other.status_code == 422
        assert len(await world.registry.asked(anna)) == 1

    async def test_nothing_secret_or_personal_is_kept_or_sent(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        body = {"sub": world.sub(anna), "uses": [{"purpose": "housing-benefit"}], "callback": REGISTERED}
        async with world.client() as client:
            link = (await client.post(PATH, json=body)).json()["link"].rsplit("/", 1)[1]

        kept = world.database.read_now(lambda c: c.exec_driver_sql("SELECT * FROM lodged_request").all())

        assert len(link) == 43
        assert link not in json.dumps([list(map(str, row)) for row in kept])
