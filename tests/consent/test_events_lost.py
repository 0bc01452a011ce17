"""What an agency never takes is deleted after 90 days, and everybody whom it concerns knows: before and after."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from agency.demo.held import Held
from agency.events import Event
from base.database.tables import AUDIT
from consent.events import lost
from consent.supervision.anomalies import Anomaly
from tests.consent.test_event_streams import STREAMS, call, poll, said, stream
from tests.consent.test_supervision import looked

if TYPE_CHECKING:
    from tests.fixtures.registry import World

DAY = 86_400


async def status(world: World, stream: str) -> dict[str, Any]:
    return dict((await call(world, "GET", f"{STREAMS}/{stream}")).json())


async def test_the_agency_reads_when_events_are_deleted_and_hears_that_they_were(world: World, anna: str) -> None:
    ours, worker = await stream(world), world.consent.event_worker
    empty = await status(world, ours)
    await world.give(anna)
    begun = world.clock.now()
    world.clock.advance(89 * DAY)
    await world.give(world.citizen("bram"), income=False)
    world.clock.advance(DAY)
    kept = await worker.lose(), await status(world, ours)
    world.clock.advance(DAY)
    dropped, after = await worker.lose(), await status(world, ours)
    polled = await poll(world, ours)
    *_, marker = (said(one) for one in polled["sets"].values())
    world.clock.advance(90 * DAY)
    dropped_again = await worker.lose()
    (jti, token), *more = (await poll(world, ours))["sets"].items()
    await poll(world, ours, acks=[jti])
    settled = await status(world, ours)
    audited = world.database.read_now(lambda c: list(c.execute(select(AUDIT).where(AUDIT.c.event == "stream.lost"))))

    assert (empty["deletedFrom"], empty["lost"]) == (None, 0)
    assert (kept[0], kept[1]["waiting"], kept[1]["lost"]) == (0, 3, 0)
    assert kept[1]["deletedFrom"] == f"{begun + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
    assert (dropped, after["waiting"], after["lost"]) == (2, 2, 2)
    until = int(begun.timestamp())
    assert marker["events"] == {f"{world.settings.issuer}/events/events-lost": {"events": 2, "until": until}}
    assert marker["sub_id"] == {"format": "opaque", "id": ours}
    # What went later is added to it, and it stays until it is taken.
    assert (dropped_again, more) == (1, [])
    assert next(iter(said(token)["events"].values()))["events"] == 3
    assert [row.object for row in audited] == [ours]
    assert settled["waiting"] == settled["lost"] == 0


async def test_what_is_told_late_or_asked_for_again_is_not_deleted_at_once(world: World, anna: str) -> None:
    ours, worker = await stream(world), world.consent.event_worker
    await world.give(anna, income=False)
    taken = list((await poll(world, ours))["sets"])
    world.clock.advance(89 * DAY)
    await poll(world, ours, acks=taken)
    world.clock.advance(2 * DAY)
    await call(world, "POST", f"{STREAMS}/{ours}/replays")
    await worker._cleaner.clean()
    after_a_replay = await worker.lose(), list((await poll(world, ours))["sets"])
    await poll(world, ours, acks=taken)
    # Nobody told of the end while the house was closed.
    world.clock.advance(500 * DAY)
    await worker.expire()
    await worker._cleaner.clean()

    assert after_a_replay == (0, taken)
    assert await worker.lose() == 0
    assert len((await poll(world, ours))["sets"]) == 1


async def test_the_supervisor_sees_who_leaves_events_of_ten_people_or_more(world: World) -> None:
    await stream(world)
    await stream(world, "tax-authority")
    for number in range(10):
        await world.give(world.citizen(f"person {number}"), income=number < 9)
    early = looked(world).anomalies
    world.clock.advance(31 * DAY)

    assert early == ()
    assert looked(world, "2026-12").anomalies == (Anomaly("events_not_taken", "municipality"),)


def test_a_late_agency_has_time_to_mend_it() -> None:
    assert lost.LATE < lost.KEPT / 2


async def test_the_demo_municipality_holds_nothing_that_it_may_have_missed_the_end_of() -> None:
    held = Held(None, "municipality", "housing-benefit")  # type: ignore[arg-type]  # it is told, and asks nobody
    held._held["anna"] = {"income": 1}
    before = held.ends("anna")
    await held.hear(Event("jti", "events-lost", "", 0, {"events": 1, "until": 0}))

    assert held.of("anna") == []
    assert held.ends("anna") != before
