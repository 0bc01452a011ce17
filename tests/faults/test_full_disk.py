"""The disk is full: nothing is released, nothing that was acknowledged is lost, and it goes on once there is room (F-04).

Withdrawals are taken from the room that the database keeps for them. A real server on a small tmpfs, which whoever runs
the tests must be allowed to mount. The embedded database; PostgreSQL's own disk: test_full_disk_of_postgresql.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx2
import pytest

from agency import receipt
from base.settings import Settings
from bench.world import World, fill
from regie.demo.run import free
from tests.fixtures.disks import Greedy
from tests.fixtures.full import CITIZENS, House, logged_in
from tests.fixtures.server import Server

if TYPE_CHECKING:
    from tests.fixtures.disks import NewDisk
    from tests.fixtures.full import Citizen


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, World]:
    """A house that is filled and closed, to be copied."""
    (port,) = free(1)
    settings = Settings(development=True, port=port, data_dir=tmp_path_factory.mktemp("filled") / "data")
    return settings, fill(settings, CITIZENS)


@pytest.fixture
def house(filled: tuple[Settings, World], new_disk: NewDisk, request: pytest.FixtureRequest) -> Iterator[House]:
    """`request.param`: megabytes of its reserve."""
    settings, world = filled
    disk = new_disk(48)
    values = {"development": True, "port": settings.port, "data_dir": disk.path / "data"}
    values["disk_reserve_mb"] = request.param
    shutil.copytree(settings.data_dir, disk.path / "data")
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
    register = f"sqlite:///file:{disk.path}/data/consent.db?mode=ro&uri=true"
    made = House(Server(disk.path / "data", settings.port, environment), world, disk, register)
    made.server.start()
    yield made
    if made.server.process is not None and made.server.process.poll() is None:
        made.server.kill()


@pytest.fixture
def citizens(house: House) -> Iterator[list[Citizen]]:
    made = logged_in(house)
    yield made
    for one in made:
        one.http.close()


@pytest.mark.parametrize("house", [0], indirect=True)
def test_without_a_reserve_nothing_is_released_or_lost(house: House, citizens: list[Citizen]) -> None:
    with httpx2.Client(timeout=20) as http:
        house.log_in(http)
        assert house.ask(http, citizens[0]).status_code == 201
        assert house.withdraw(citizens[0]) == 303

        house.disk.fill_up()
        house.ask_until_refused(http, citizens[1:])
        stopped = {house.withdraw(one) for one in citizens}
        assert stopped <= {303, 503}, house.answers
        assert house.check(http, citizens[1]).status_code in (200, 503)
        while_full = len(house.withdrawn)

        house.disk.make_room()
        assert house.ask_until_answered(http, citizens[1]) in (201, 403)
        assert house.withdraw(citizens[2]) == 303
        found = house.server.tell("ledger verify", checkpoints=[])

    house.server.kill()
    house.server.start()
    assert while_full < len(house.withdrawn)
    assert found["ok"], found
    assert house.kept() == ("ok", house.permits, set(house.withdrawn))


@pytest.mark.parametrize("house", [4], indirect=True)
def test_withdrawals_are_taken_from_the_reserve(house: House, citizens: list[Citizen]) -> None:
    """While somebody takes every byte that gets free: after a kill and a restart too, and of who logs in only now."""
    issuer = house.server.issuer
    with httpx2.Client(timeout=20) as http:
        house.log_in(http)
        assert http.get(f"{issuer}/health/ready").json() == {"status": "ok"}
        with Greedy(house.disk):
            refusal = house.ask_until_refused(http, citizens)
            assert refusal["detail"].startswith("The disk is full: ")
            assert http.get(f"{issuer}/health/ready").json() == {"status": "ok", "disk": "full"}
            (disk,) = (one for one in house.server.tell("doctor") if one["check"] == "disk")
            assert not disk["ok"]
            assert "only withdrawals and logins are written" in disk["detail"]
            assert house.check(http, citizens[0]).json()["decision"] == "allowed"

            assert [house.withdraw(one) for one in citizens] == [303] * CITIZENS
            assert house.check(http, citizens[0]).json()["decision"] == "denied"
        # SQLite makes the index of its log anew when it is opened first: what it frees for a moment is left to it.
        house.server.kill()
        house.server.start()
        with Greedy(house.disk):
            assert http.get(f"{issuer}/health/ready").json() == {"status": "ok", "disk": "full"}
            assert house.kept()[2] == set(house.withdrawn)
            assert house.check(http, citizens[0]).json()["decision"] == "denied"
            assert house.withdraw(citizens[1]) == 303
            citizens[0].http.cookies.clear()
            citizens[0].log_in()
            assert house.withdraw(citizens[0]) == 303
            assert house.ask(http, citizens[2]).status_code == 503

        house.disk.make_room()
        assert house.ask_until_answered(http, citizens[3]) in (201, 403)
        assert http.get(f"{issuer}/health/ready").json() == {"status": "ok"}
        found = house.server.tell("ledger verify", checkpoints=[])
        keys = http.get(f"{issuer}/ledger/key").text.split()
        proven = [
            receipt.verify(one.http.get(f"{issuer}/my/receipts/{item}").raise_for_status().content, keys).entry["type"]
            for item, one in house.withdrawn.items()
        ]

    assert len(proven) == len(house.withdrawn) == CITIZENS + 2
    assert set(proven) == {"withdrawn"}
    assert found["ok"], found
    house.server.kill()
    house.server.start()
    assert house.kept() == ("ok", house.permits, set(house.withdrawn))
