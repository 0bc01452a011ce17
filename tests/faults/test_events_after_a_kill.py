"""kill -9 of both processes while they push events: each is told, and of one citizen in its order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from consent import questions, records
from consent.checks import GIVEN
from consent.events import sets, streams
from consent.events.streams import Wanted
from consent.interface import PersonalDataUse
from tests.consent.test_event_push import Receiver
from tests.fixtures.listener import in_thread

if TYPE_CHECKING:
    from regie.house import House
    from tests.fixtures.server import Server

WORKERS = 2
ROUNDS, PEOPLE = 60, 4
KILLED_AT, STARTED_AT = 20, 40


def walk(house: House, citizen: str) -> None:
    """Give the address, and withdraw it."""
    registry, database, now = house.consent.registry, house.databases["consent"], house.clock.now()
    wanted = [PersonalDataUse("housing-benefit", ("address",))]

    def ask(connection: Any) -> Any:
        catalogue = registry.snapshot(connection)
        return questions.first(
            connection,
            catalogue,
            wanted,
            citizen=citizen,
            agency="municipality",
            answered=(),
            anew=True,
            now=now,
            pseudonyms=house.ring.pseudonyms,
        )

    question = database.read_now(ask)
    given = database.write_now(lambda c: registry.answer_unit(c, citizen, question, {"address": True}, "nl"))
    done = database.write_now(
        lambda c: records.withdraw(
            c, consent_id=given.consents[0], citizen=citizen, pseudonyms=house.ring.pseudonyms, now=house.clock.now()
        )
    )
    assert done is not None


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # two processes
def test_none_is_lost_and_none_is_out_of_order(server: Server) -> None:
    server.tell("event-stream list")
    house, receiver = server._house, Receiver()
    assert house is not None
    people = [house.ring.pseudonyms.handle(f"walker-{number}") for number in range(PEOPLE)]
    subs = [house.ring.pseudonyms.pairwise(one, "municipality") for one in people]
    with in_thread(receiver.listener) as there:
        wanted = Wanted(sets.KINDS, streams.ENABLED, there.url)
        house.databases["consent"].write_now(
            lambda c: streams.add(
                c, "municipality", "test", wanted, house.clock.now(), pseudonyms=house.ring.pseudonyms
            )
        )
        for number in range(ROUNDS):
            walk(house, people[number % PEOPLE])
            if number == KILLED_AT:
                deadline = time.monotonic() + 20
                while not receiver.jtis and time.monotonic() < deadline:
                    time.sleep(0.01)
                server.kill()
            if number == STARTED_AT:
                before = len(set(receiver.jtis))
                server.start()
        deadline = time.monotonic() + 40
        while len(set(receiver.jtis)) < 2 * ROUNDS and time.monotonic() < deadline:
            time.sleep(0.05)
        first = {one["jti"]: one for one in reversed(receiver.taken)}
        receiver.taken = sorted(first.values(), key=lambda one: receiver.jtis.index(one["jti"]))

    assert 0 < before < 2 * ROUNDS
    assert len(first) == 2 * ROUNDS
    for sub in subs:
        assert receiver.of(sub) == [GIVEN, "withdrawn"] * (ROUNDS // PEOPLE)
