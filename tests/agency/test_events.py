"""The toolkit's ear: it believes what Regie told this agency, and takes each event once and in order."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette

from agency.client import Client
from agency.demo.held import Held
from agency.errors import InvalidToken, Unreachable
from agency.events import KINDS, Event, Inbox, Stream, read, route
from agency.jose import Verifier
from consent.events import polling, sets
from consent.interface import PersonalDataUse
from keys import jose

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def client(inside: Inside) -> Client:
    """The municipality's, which talks to the house in this process; its clock is the wall's."""
    inside.clock.advance(time.time() - inside.clock.now().timestamp())
    made = inside.register(scope="consent:events", grant_types=["client_credentials"])
    made.http = inside.http()
    made._verifier = Verifier(inside.issuer, lambda: json.loads(inside.house.ring.jwks()))
    return made


class Ear:
    """`fails`: the consents whose events it cannot handle."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.fails: set[str] = set()

    async def __call__(self, event: Event) -> None:
        if event.said.get("consent") in self.fails:
            raise RuntimeError("the database is away")
        self.heard.append(event)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one.kind, one.said["consent"]) for one in self.heard]


async def give(inside: Inside, citizen: str) -> str:
    registry = inside.house.consent.registry
    wanted = [PersonalDataUse("housing-benefit", ("address",))]
    question = await registry.question(citizen=citizen, agency="municipality", requests=wanted, answered=(), anew=True)
    assert question is not None
    done = await registry.answer(citizen=citizen, question=question, answers={"address": True}, language="nl")
    return done.consents[0]


def people(inside: Inside) -> tuple[str, str]:
    handle = inside.house.ring.pseudonyms.handle
    return handle("anna"), handle("bram")


class TestPolling:
    async def test_it_hears_all_in_order_and_nothing_twice(self, inside: Inside, client: Client) -> None:
        ear = Ear()
        stream = Stream(client, Inbox(client, "municipality", ear))
        await stream.begin()
        anna, _ = people(inside)
        consent = await give(inside, anna)
        await inside.house.consent.registry.withdraw(consent, anna)
        counts = [await stream.poll(at_once=True) for _ in range(2)]
        again = await stream.replay()
        replayed = await stream.poll(at_once=True)

        assert (counts, again, replayed) == ([2, 0], 2, 2)
        assert ear.told == [("consent-given", consent), ("consent-withdrawn", consent)]
        assert {one.sub for one in ear.heard} == {inside.house.ring.pseudonyms.pairwise(anna, "municipality")}
        assert stream.last == ear.heard[-1].jti

    async def test_what_cannot_be_handled_comes_again_before_what_followed_it(
        self, inside: Inside, client: Client
    ) -> None:
        ear = Ear()
        stream = Stream(client, Inbox(client, "municipality", ear))
        await stream.begin()
        anna, bram = people(inside)
        first, other = await give(inside, anna), await give(inside, bram)
        ear.fails = {first}
        second = await give(inside, anna)
        await stream.poll(at_once=True)
        meanwhile = list(ear.told)
        ear.fails = set()
        await stream.poll(at_once=True)

        assert meanwhile == [("consent-given", other)]
        assert ear.told[1:] == [("consent-given", first), ("consent-changed", second)]

    async def test_two_of_its_processes_share_one_stream(self, inside: Inside, client: Client) -> None:
        streams = [Stream(client, Inbox(client, "municipality", Ear())) for _ in range(2)]
        assert await streams[0].begin() == await streams[1].begin()


class TestWhatPasses:
    async def test_a_clock_that_is_behind_throws_nothing_away(
        self, inside: Inside, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The agency's own: what it cannot believe yet it neither takes nor refuses."""
        ear = Ear()
        stream = Stream(client, Inbox(client, "municipality", ear))
        await stream.begin()
        anna, _ = people(inside)
        consent = await give(inside, anna)
        await inside.house.consent.registry.withdraw(consent, anna)
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() - 40)
        for _ in range(2):
            await stream.poll(at_once=True)
        meanwhile = list(ear.told)
        monkeypatch.setattr(time, "time", right)
        await stream.poll(at_once=True)

        assert meanwhile == []
        assert ear.told == [("consent-given", consent), ("consent-withdrawn", consent)]

    async def test_keys_that_are_away_are_asked_for_again(self, inside: Inside, client: Client) -> None:
        heard, asked = asyncio.Event(), 0

        async def ear(_event: Event) -> None:
            heard.set()

        stream = Stream(client, Inbox(client, "municipality", ear))
        await stream.begin()
        await give(inside, people(inside)[0])

        def fetch() -> Any:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise Unreachable("away")
            return json.loads(inside.house.ring.jwks())

        client._verifier = Verifier(inside.issuer, fetch)
        following = asyncio.create_task(stream.follow())
        await asyncio.wait_for(heard.wait(), 20)

        assert not following.done()
        following.cancel()

    async def test_keys_that_cannot_be_fetched_are_an_error_of_the_kits(self, client: Client) -> None:
        client._verifier, client._metadata = None, {"jwks_uri": "http://localhost:9/"}

        with pytest.raises(Unreachable):
            await client.verify("a.b.c", typ="secevent+jwt", audience="municipality")

    async def test_where_nobody_waits_it_does_not_ask_without_a_pause(
        self, inside: Inside, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Too many polls wait there already: each is answered at once, with nothing."""
        monkeypatch.setattr(polling, "WAITERS", 0)
        stream, polls = Stream(client, Inbox(client, "municipality", Ear())), 0
        poll = stream.poll

        async def counted() -> int:
            nonlocal polls
            polls += 1
            return await poll()

        monkeypatch.setattr(stream, "poll", counted)
        following = asyncio.create_task(stream.follow())
        await asyncio.sleep(1.5)
        following.cancel()

        assert 0 < polls < 6


class TestBeginning:
    async def test_a_stream_of_other_kinds_is_not_taken_for_ones_own(self, inside: Inside, client: Client) -> None:
        other = Stream(client, Inbox(client, "municipality", Ear()), kinds=["complaint-sent"])
        ear = Ear()
        stream = Stream(client, Inbox(client, "municipality", ear), kinds=["consent-withdrawn"])
        ids = [await other.begin(), await stream.begin()]
        anna, _ = people(inside)
        consent = await give(inside, anna)
        await inside.house.consent.registry.withdraw(consent, anna)
        await stream.poll(at_once=True)
        after = Stream(client, Inbox(client, "municipality", Ear()), kinds=["consent-withdrawn"])

        assert len(set(ids)) == 2
        assert ear.told == [("consent-withdrawn", consent)]
        assert await after.begin() == ids[1]

    def test_it_knows_all_kinds_that_there_are(self, backend: Any) -> None:
        assert set(KINDS) == set(sets.KINDS)


class TestPushed:
    async def test_it_answers_202_once_it_is_done_and_handles_it_once(self, inside: Inside, client: Client) -> None:
        ear = Ear()
        token = signed(inside)
        transport = httpx2.ASGITransport(
            app=Starlette(routes=[route(Inbox(client, "municipality", ear), "/events")]),
            raise_app_exceptions=False,
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://agency.example") as http:
            ear.fails = {"c"}
            failed = await http.post("/events", content=token)
            ear.fails = set()
            taken = [(await http.post("/events", content=token)).status_code for _ in range(2)]
            refused = [
                await http.post("/events", content=one)
                for one in ("x", token[:-4] + "AAAA", "é".encode(), "x" * 20_000)
            ]

        assert (failed.status_code, taken) == (500, [202, 202])
        assert ear.told == [("consent-withdrawn", "c")]
        assert [one.status_code for one in refused] == [400] * 4
        # A key that is not known here may be a new one: the event is sent again, and not put aside.
        assert [one.json()["err"] for one in refused] == ["invalid_key"] * 2 + ["invalid_request"] * 2


def signed(inside: Inside, *, typ: str = "secevent+jwt", **changes: Any) -> str:
    issuer, at = inside.issuer, int(time.time())
    made = {
        "iss": issuer,
        "aud": "municipality",
        "jti": "j",
        "iat": at,
        "toe": at,
        "sub_id": {"format": "iss_sub", "iss": issuer, "sub": "s"},
        "events": {f"{issuer}/events/consent-withdrawn": {"consent": "c"}},
        **changes,
    }
    return jose.sign(made, inside.house.ring.active(), typ=typ)


class TestReading:
    async def test_what_regie_told_this_agency_is_believed(self, inside: Inside, client: Client) -> None:
        at = int(time.time())
        assert await read(client, signed(inside, iat=at, toe=at - 60), "municipality") == Event(
            "j", "consent-withdrawn", "s", at - 60, {"consent": "c"}
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"typ": "JWT"},
            {"typ": "logout+jwt"},
            {"aud": "tax-authority"},
            {"iss": "https://other.example"},
            {"iat": 2**33},
            {"jti": None},
            {"events": {}},
            {"events": {"a": {}, "b": {}}},
            {"events": {"a": "b"}},
            {"sub_id": {"format": "iss_sub", "iss": "https://other.example", "sub": "s"}},
            {"sub_id": {"format": "iss_sub", "sub": 1}},
            {"sub_id": "s"},
        ],
        ids=str,
    )
    async def test_nothing_else_is(self, inside: Inside, client: Client, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            await read(client, signed(inside, **changes), "municipality")


async def test_the_demo_holds_nothing_of_which_it_heard_the_end(inside: Inside, client: Client) -> None:
    held = Held(client, "municipality", "housing-benefit")
    end = Event("1", "consent-withdrawn", "s", 0, {"purpose": "housing-benefit", "data": ["address"]})
    before = held.ends("s")
    await held.keep("s", "address", "Kade 1", ends=before)
    kept = held.of("s")
    await held.hear(end)
    await held.keep("s", "address", "Kade 1", ends=before)  # asked for before it ended, and came after

    assert (kept, held.of("s")) == (["address"], [])
