"""Events that are pushed (RFC 8935): receivers that fail, that hang, that come back; none lost, none out of order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from consent.events import push
from consent.events.push import Pusher
from consent.store import altered, tables
from tests.consent.test_event_streams import STREAMS, call, said, stream
from tests.fixtures.listener import Listener, answer

if TYPE_CHECKING:
    from tests.fixtures.registry import World

HOUR = 3600


class Receiver:
    """An agency's endpoint. `says`: what it answers now; `taken`: the tokens that it answered 202, in order."""

    def __init__(self, says: str = "202 Accepted", body: Any = None) -> None:
        self.says, self.body = says, body
        self.listener = Listener(self._respond)
        self._answered = 0
        self.taken: list[dict[str, Any]] = []

    def _respond(self, _head: str) -> bytes:
        # In the order in which they came: several are under way at once.
        _, token = self.listener.requests[self._answered]
        self._answered += 1
        if self.says.startswith("202"):
            self.taken.append(said(token.decode()))
        return answer(self.body, status=self.says)

    @property
    def tries(self) -> int:
        return len(self.listener.requests)

    @property
    def jtis(self) -> list[str]:
        return [one["jti"] for one in self.taken]

    def of(self, sub: str) -> list[str]:
        """What one citizen's events were, in order."""
        return [next(iter(one["events"])).rsplit("-")[-1] for one in self.taken if one["sub_id"].get("sub") == sub]


async def deliver(world: World, pusher: Pusher | None = None) -> None:
    """One round, as when nothing was tried for a while: what the connections themselves remember is forgotten."""
    one = pusher or world.consent.pusher
    one._fetch._breakers.clear()
    await asyncio.gather(*await one.round())


async def shown(world: World, id: str) -> dict[str, Any]:
    return dict((await call(world, "GET", f"{STREAMS}/{id}")).json())


async def test_it_is_posted_as_rfc_8935_says_and_taken_once(world: World, anna: str) -> None:
    """RFC 8935 sections 2.1 and 2.2."""
    receiver = Receiver()
    async with receiver.listener.running() as there:
        ours = await stream(world, endpoint=there.url)
        address, income = (await world.give(anna)).consents
        await world.registry.withdraw(income, anna)
        await deliver(world)
        await deliver(world)
        head, _ = there.requests[0]
        listed = (await call(world, "GET", f"{STREAMS}/{ours}/deliveries")).json()["deliveries"]

    assert "content-type: application/secevent+jwt" in head.lower()
    assert "accept: application/json" in head.lower()
    assert receiver.of(world.sub(anna)) == ["given", "given", "withdrawn"]
    assert receiver.tries == 3
    assert [(one["event"], one["status"]) for one in listed] == [
        ("consent-withdrawn", "taken"),
        ("consent-given", "taken"),
        ("consent-given", "taken"),
    ]
    assert [one["jti"] for one in reversed(listed)] == receiver.jtis
    assert (await shown(world, ours))["waiting"] == 0
    assert address != income


async def test_a_receiver_that_is_away_for_a_day_gets_all_of_it_in_order(world: World) -> None:
    receiver = Receiver("503 Service Unavailable")
    people = [world.citizen(name) for name in ("anna", "bram", "kaya")]
    async with receiver.listener.running() as there:
        ours = await stream(world, endpoint=there.url)
        for hour in range(24):
            citizen = people[hour % 3]
            given = await world.give(citizen, income=False)
            await deliver(world)
            await world.registry.withdraw(given.consents[0], citizen)
            world.clock.advance(HOUR)
        failing = await shown(world, ours)
        receiver.says = "202 Accepted"
        await deliver(world)

    assert failing["failingSince"] is not None
    assert (failing["lastError"], failing["waiting"], failing["status"]) == ("it answered 503", 48, "enabled")
    assert receiver.tries <= 24 + 4 * 24 + 48  # four are under way at once, and a failure ends the turn
    for citizen in people:
        assert receiver.of(world.sub(citizen)) == ["given", "withdrawn"] * 8
    assert (await shown(world, ours)) | {"failingSince": None, "lastError": "", "waiting": 0} == await shown(
        world, ours
    )


async def test_it_is_parked_after_three_days_and_goes_on_without_loss(world: World, anna: str) -> None:
    receiver = Receiver("401 Unauthorized")
    async with receiver.listener.running() as there:
        ours = await stream(world, endpoint=there.url)
        consent = (await world.give(anna, income=False)).consents[0]
        for _ in range(4):
            await deliver(world)
            world.clock.advance(24 * HOUR)
        parked, tries = await shown(world, ours), receiver.tries
        await world.registry.withdraw(consent, anna)
        await deliver(world)
        still = receiver.tries
        receiver.says = "202 Accepted"
        await call(world, "PUT", f"{STREAMS}/{ours}", endpoint=there.url)
        await deliver(world)

    assert (parked["status"], parked["lastError"]) == ("parked", "it answered 401")
    assert tries == still == 4
    assert receiver.of(world.sub(anna)) == ["given", "withdrawn"]
    assert (await shown(world, ours))["status"] == "enabled"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestOneReceiver:
    async def test_a_token_that_it_cannot_read_is_put_aside_and_can_be_had_again(self, world: World, anna: str) -> None:
        """RFC 8935 section 2.3."""
        receiver = Receiver("400 Bad Request", {"err": "invalid_request", "description": "?"})
        async with receiver.listener.running() as there:
            ours = await stream(world, endpoint=there.url)
            await world.give(anna)
            await deliver(world)
            listed = (await call(world, "GET", f"{STREAMS}/{ours}/deliveries")).json()["deliveries"]
            receiver.says = "202 Accepted"
            await call(world, "POST", f"{STREAMS}/{ours}/replays")
            await deliver(world)

        assert {(one["status"], one["error"]) for one in listed} == {("refused", "invalid_request")}
        assert receiver.of(world.sub(anna)) == ["given", "given"]

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            ("400 Bad Request", {"err": "invalid_key"}, "invalid_key"),
            ("400 Bad Request", {"err": "<script>"}, "it answered 400"),
            ("400 Bad Request", ["x"], "it answered 400"),
            ("400 Bad Request", b'{"err": "\xff"}', "it answered 400"),
            ("302 Found", None, "it answered 302"),
        ],
    )
    async def test_whatever_else_it_says_the_event_waits(
        self, world: World, anna: str, status: str, body: Any, error: str
    ) -> None:
        """RFC 8935 section 2.4."""
        receiver = Receiver(status, body)
        async with receiver.listener.running() as there:
            ours = await stream(world, endpoint=there.url)
            await world.give(anna)
            await deliver(world)
            seen = await shown(world, ours)
            await deliver(world)

        assert (seen["waiting"], seen["lastError"], receiver.tries) == (2, error, 1)

    async def test_one_that_hangs_makes_no_other_wait(self, world: World, anna: str) -> None:
        slow, quick = Receiver(), Receiver()
        slow.listener.delay_s = 30
        async with slow.listener.running() as hangs, quick.listener.running() as answers:
            await stream(world, endpoint=hangs.url)
            await stream(world, endpoint=answers.url)
            await world.give(anna, income=False)
            turns = await world.consent.pusher.round()
            await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
            first = list(quick.jtis)
            await world.give(world.citizen("bram"), income=False)
            again = await world.consent.pusher.round()
            await asyncio.gather(*again)
            await world.consent.pusher.stop()

        assert (len(first), len(quick.jtis), slow.jtis, len(again)) == (1, 2, [], 1)

    async def test_only_addresses_that_may_be_connected_to_are_taken(self, world: World) -> None:
        for endpoint in ("http://10.0.0.1/", "https://agency.example/", "http://localhost/#x"):
            refused = await call(world, "POST", STREAMS, endpoint=endpoint)
            assert (refused.status_code, refused.json()["reason"]) == (403, "endpoint")
        assert (await call(world, "GET", STREAMS)).json() == {"streams": []}

    async def test_another_agencys_deliveries_are_not_there(self, world: World) -> None:
        ours = await stream(world)
        assert (await call(world, "GET", f"{STREAMS}/{ours}/deliveries", "tax-authority")).status_code == 404

    async def test_of_two_processes_one_pushes_and_the_other_takes_over(self, world: World, anna: str) -> None:
        other = Pusher(world.database, world.ring, world.consent.pusher._fetch, world.settings.issuer, world.clock)
        receiver = Receiver()
        async with receiver.listener.running() as there:
            await stream(world, endpoint=there.url)
            await world.give(anna, income=False)
            await deliver(world)
            await world.give(world.citizen("bram"), income=False)
            held = await other.round()
            world.clock.advance(push.LEASE_S + 1)
            await deliver(world, other)

        assert held == []
        assert len(receiver.jtis) == len(set(receiver.jtis)) == 2


async def test_what_is_about_the_stream_comes_after_all_that_waits(world: World, anna: str) -> None:
    receiver = Receiver()
    async with receiver.listener.running() as there:
        one = await stream(world, endpoint=there.url)
        for _ in range(3):
            (consent,) = (await world.give(anna, income=False)).consents
            await world.registry.withdraw(consent, anna)
        ping = (await call(world, "POST", f"{STREAMS}/{one}/verifications", state="x")).json()["jti"]
        await deliver(world)

    assert receiver.jtis[-1] == ping
    assert len(receiver.jtis) == 7


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("edited", ["endpoint", "agency"])
async def test_a_stream_that_was_led_elsewhere_in_the_database_pushes_nothing(
    world: World, anna: str, edited: str
) -> None:
    """Neither one agency's events to a stranger's address, nor another agency's to its own; its agency puts it right."""
    receiver, stranger = Receiver(), Receiver()
    async with receiver.listener.running() as there, stranger.listener.running() as elsewhere:
        ours = await stream(world, endpoint=there.url)
        await world.give(anna)
        row = tables.event_stream
        values = {"endpoint": {"endpoint": elsewhere.url}, "agency": {"agency": "tax-authority"}}[edited]
        world.database.write_now(lambda c: c.execute(update(row).where(row.c.id == ours).values(**values)))
        for _ in range(2):
            await deliver(world)
            world.clock.advance(HOUR)
        tries = receiver.tries + stranger.tries
        alarms = [(one.kind, one.row) for one in world.database.read_now(altered.every)]
        world.database.write_now(lambda c: c.execute(update(row).where(row.c.id == ours).values(agency="municipality")))
        put = await call(world, "PUT", f"{STREAMS}/{ours}", endpoint=there.url)
        await deliver(world)

    assert tries == 0
    assert alarms == [("stream", ours)]
    assert put.status_code == 200
    assert receiver.of(world.sub(anna)) == ["given", "given"]
    assert stranger.tries == 0
