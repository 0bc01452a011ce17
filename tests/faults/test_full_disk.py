"""The disk is full: nothing is released, nothing that was acknowledged is lost, and it goes on once there is room (F-04).

Withdrawals are taken from the room that the database keeps for them. A real server on a small tmpfs, which whoever runs
the tests must be allowed to mount. The embedded database; PostgreSQL's own disk: test_full_disk_of_postgresql.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import create_engine, select

from agency import receipt
from base.settings import Settings
from bench.world import USES, World, fill
from bench.world import Citizen as Walker
from consent.store.tables import consent, permit
from regie.demo.run import free
from tests.fixtures.disks import Disk, Greedy
from tests.fixtures.server import Server

if TYPE_CHECKING:
    from tests.fixtures.disks import NewDisk

CITIZENS = 4
_ITEM = re.compile(r'href="/my/consents/([A-Za-z0-9_-]{22})/withdraw"')
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


class Citizen(Walker):
    """`sub`: as the municipality knows him."""

    sub = ""

    def log_in(self) -> None:
        page = self.http.get(f"{self.agency.issuer}/login?to=/my")
        self._fill_in(page)


@dataclass
class House:
    server: Server
    world: World
    disk: Disk
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    permits: set[str] = field(default_factory=set)
    withdrawn: dict[str, Citizen] = field(default_factory=dict)
    token: str = ""

    def log_in(self, http: httpx2.Client) -> None:
        service = self.world.service
        headers, body = service.form("/oauth2/token", grant_type="client_credentials")
        found = http.post(f"{service.issuer}/oauth2/token", headers=headers, content=body).raise_for_status()
        self.token = found.json()["access_token"]

    def ask(self, http: httpx2.Client, citizen: Citizen) -> httpx2.Response:
        asked = {"sub": citizen.sub, "purpose": "housing-benefit", "data": ["address"], "source": "population-register"}
        headers = {"authorization": f"Bearer {self.token}"}
        answer = http.post(f"{self.server.issuer}/consent/v1/permits", json=asked, headers=headers)
        self.answers["permit", answer.status_code] += 1
        if answer.status_code == 201:
            self.permits.add(answer.json()["permitId"])
        return answer

    def check(self, http: httpx2.Client, citizen: Citizen) -> httpx2.Response:
        asked = {"sub": citizen.sub, "purpose": "housing-benefit", "data": ["address", "income"]}
        headers = {"authorization": f"Bearer {self.token}"}
        return http.post(f"{self.server.issuer}/consent/v1/checks", json=asked, headers=headers)

    def withdraw(self, citizen: Citizen) -> int:
        """The first that he has, on his pages."""
        http, issuer = citizen.http, self.server.issuer
        listed = http.get(f"{issuer}/my/consents?state=given")
        items = _ITEM.findall(listed.text)
        if listed.status_code != 200 or not items:
            self.answers["page", listed.status_code] += 1
            return listed.status_code
        page = http.get(f"{issuer}/my/consents/{items[0]}/withdraw")
        form = {"csrf_token": (_CSRF.findall(page.text) or [""])[-1]}
        done = http.post(f"{issuer}/my/consents/{items[0]}/withdraw", data=form)
        self.answers["withdrawal", done.status_code] += 1
        if done.status_code == 303:
            self.withdrawn[items[0]] = citizen
        return done.status_code

    def ask_until_refused(self, http: httpx2.Client, citizens: list[Citizen]) -> dict[str, Any]:
        """Ten times in a row, for want of room; the refusal."""
        refused = 0
        for number in range(400):
            answer = self.ask(http, citizens[number % len(citizens)])
            assert answer.status_code in (201, 503), answer.text
            refused = refused + 1 if answer.status_code == 503 else 0
            if refused == 10:
                assert answer.headers["content-type"] == "application/problem+json"
                return dict(answer.json())
        raise AssertionError(self.answers)

    def ask_until_answered(self, http: httpx2.Client, citizen: Citizen) -> int:
        """Once there is room: allowed, or denied, which is written too."""
        deadline = time.monotonic() + 15
        while (status := self.ask(http, citizen).status_code) == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        return status

    def kept(self) -> tuple[str, set[str], set[str]]:
        """Whether the file is whole; the permits and the withdrawals that are in it."""
        engine = create_engine(f"sqlite:///file:{self.disk.path}/data/consent.db?mode=ro&uri=true")
        with engine.connect() as connection:
            permits = set(connection.execute(select(permit.c.id)).scalars())
            ended = set(connection.execute(select(consent.c.id).where(consent.c.state == "withdrawn")).scalars())
            whole = connection.exec_driver_sql("pragma integrity_check").scalar()
        engine.dispose()
        return str(whole), permits, ended


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, World]:
    """A house that is filled and closed, to be copied."""
    (port,) = free(1)
    settings = Settings(development=True, port=port, data_dir=tmp_path_factory.mktemp("filled") / "data")
    return settings, fill(settings)


@pytest.fixture
def house(filled: tuple[Settings, World], new_disk: NewDisk, request: pytest.FixtureRequest) -> Iterator[House]:
    """`request.param`: megabytes of its reserve."""
    settings, world = filled
    disk = new_disk(48)
    values = {"development": True, "port": settings.port, "data_dir": disk.path / "data"}
    values["disk_reserve_mb"] = request.param
    shutil.copytree(settings.data_dir, disk.path / "data")
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
    made = House(Server(disk.path / "data", settings.port, environment), world, disk)
    made.server.start()
    yield made
    if made.server.process is not None and made.server.process.poll() is None:
        made.server.kill()


@pytest.fixture
def citizens(house: House) -> Iterator[list[Citizen]]:
    """Each has given two consents to the municipality, and is logged in."""
    asking = replace(house.world.strict, asked={"authorization_details": json.dumps(USES)})
    made = [Citizen(asking, number) for number in range(CITIZENS)]
    for one in made:
        one.sub = one.whole_flow()["sub"]
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
