"""An operator sees which agencies' receivers fail, and has them tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consent.events import sets, streams
from consent.events.streams import Wanted
from regie.commands import Refused

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


async def test_a_receiver_that_is_given_up_is_told_and_resumed(inside: Inside) -> None:
    house, clock = inside.house, inside.clock
    wanted = Wanted(sets.KINDS, streams.ENABLED, "http://localhost:9/")  # nobody listens there
    database = house.databases["consent"]
    made = database.write_now(
        lambda c: streams.add(c, "municipality", "test", wanted, clock.now(), pseudonyms=house.ring.pseudonyms)
    )
    database.write_now(lambda c: streams.verify(c, made.id, "municipality", "", clock.now()))
    fine = _finding(inside)
    for _ in range(4):
        await asyncio.gather(*await house.consent.pusher.round())
        clock.advance(86_400)
    parked, (row,) = _finding(inside), inside.run("event-stream list")
    jti = database.write_now(lambda c: streams.waiting(c, made.id, 1))[0][0].jti
    shown = inside.run("event-stream show", id=made.id)
    database.write_now(lambda c: streams.settle(c, made.id, [jti], {}, clock.now()))
    again = inside.run("event-stream replay", id=made.id)
    inside.run("event-stream resume", id=made.id)
    await asyncio.gather(*await house.consent.pusher.round())

    assert fine == (True, "1, 1 events wait")
    assert parked[0] is False
    assert "regie event-stream resume" in parked[1]
    assert made.id in parked[1]
    assert (row["agency"], row["status"], row["waiting"]) == ("municipality", "parked", 1)
    assert row["error"]
    assert [(one["jti"], one["event"], one["status"]) for one in shown] == [(jti, "verification", "waiting")]
    assert again == {"id": made.id, "events": 1}
    assert inside.run("event-stream list")[0]["status"] == "enabled"
    for command in ("show", "replay", "resume"):
        with pytest.raises(Refused, match="no event stream"):
            inside.run(f"event-stream {command}", id="nobodys")


async def test_whose_events_wait_for_a_month_or_were_deleted_is_told(inside: Inside) -> None:
    house, clock = inside.house, inside.clock
    wanted, database = Wanted(sets.KINDS, streams.ENABLED), house.databases["consent"]
    made = database.write_now(
        lambda c: streams.add(c, "municipality", "test", wanted, clock.now(), pseudonyms=house.ring.pseudonyms)
    )
    database.write_now(lambda c: streams.verify(c, made.id, "municipality", "", clock.now()))
    clock.advance(29 * 86_400)
    fine = _finding(inside)
    clock.advance(86_400)
    late, (row,) = _finding(inside), inside.run("event-stream list")
    clock.advance(61 * 86_400)
    await house.consent.event_worker.lose()
    gone, (row_after,) = _finding(inside), inside.run("event-stream list")

    assert fine == (True, "1, 1 events wait")
    assert late[0] is False
    assert f"not taken for 30 days, deleted after 90: municipality ({made.id})" in late[1]
    assert (row["waiting_since"][:10], row["deleted_from"][:10], row["lost"]) == ("2026-11-24", "2027-02-22", 0)
    assert gone[0] is False
    assert f"deleted, since nobody took them in 90 days: municipality ({made.id})" in gone[1]
    assert (row_after["deleted_from"], row_after["lost"]) == ("", 1)


def _finding(inside: Inside) -> tuple[bool, str]:
    return next((one["ok"], one["detail"]) for one in inside.run("doctor") if one["check"] == "event streams")
