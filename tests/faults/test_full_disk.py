"""The disk is full: nothing is released, nothing that was acknowledged is lost, and it goes on once there is room (F-04).

A real server on a small tmpfs, which whoever runs the tests must be allowed to mount. The embedded database: PostgreSQL
has its disk elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, select

from base.settings import Settings
from bench.world import USES, Citizen, World, fill
from consent.store.tables import consent, permit
from regie.demo.run import free
from tests.fixtures.server import Server

MEGABYTE = 1024 * 1024
CITIZENS = 4
_ITEM = re.compile(r'href="/my/consents/([A-Za-z0-9_-]{22})/withdraw"')
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 48 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "regie-test", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@dataclass
class House:
    server: Server
    world: World
    disk: Path
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    permits: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    token: str = ""

    def fill_up(self) -> None:
        """Not a byte more goes in."""
        with (self.disk / "filler").open("ab", buffering=0) as file:
            for size in (MEGABYTE, 4096, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.disk / "filler").unlink()

    def log_in(self, http: httpx2.Client) -> None:
        service = self.world.service
        headers, body = service.form("/oauth2/token", grant_type="client_credentials")
        found = http.post(f"{service.issuer}/oauth2/token", headers=headers, content=body).raise_for_status()
        self.token = found.json()["access_token"]

    def ask(self, http: httpx2.Client, sub: str) -> httpx2.Response:
        asked = {"sub": sub, "purpose": "housing-benefit", "data": ["address"], "source": "population-register"}
        headers = {"authorization": f"Bearer {self.token}"}
        answer = http.post(f"{self.server.issuer}/consent/v1/permits", json=asked, headers=headers)
        self.answers["permit", answer.status_code] += 1
        if answer.status_code == 201:
            self.permits.add(answer.json()["permitId"])
        return answer

    def check(self, http: httpx2.Client, sub: str) -> int:
        asked = {"sub": sub, "purpose": "housing-benefit", "data": ["address"]}
        headers = {"authorization": f"Bearer {self.token}"}
        return http.post(f"{self.server.issuer}/consent/v1/checks", json=asked, headers=headers).status_code

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
            self.withdrawn.add(items[0])
        return done.status_code


@pytest.fixture
def house(disk: Path) -> Iterator[House]:
    (port,) = free(1)
    values: dict[str, Any] = {"development": True, "port": port, "data_dir": disk / "data"}
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
    made = House(Server(values["data_dir"], port, environment), fill(Settings(**values)), disk)
    made.server.start()
    yield made
    if made.server.process is not None and made.server.process.poll() is None:
        made.server.kill()


def test_nothing_is_released_or_lost_and_it_goes_on_when_there_is_room(house: House) -> None:
    asking = replace(house.world.strict, asked={"authorization_details": json.dumps(USES)})
    citizens = [Citizen(asking, number) for number in range(CITIZENS)]
    subs = [one.whole_flow()["sub"] for one in citizens]
    with httpx2.Client(timeout=20) as http:
        house.log_in(http)
        assert house.ask(http, subs[0]).status_code == 201
        assert house.withdraw(citizens[0]) == 303

        house.fill_up()
        refused = 0
        for number in range(400):
            answer = house.ask(http, subs[1 + number % (CITIZENS - 1)])
            assert answer.status_code in (201, 503), answer.text
            refused = refused + 1 if answer.status_code == 503 else 0
            if answer.status_code == 503:
                assert answer.headers["content-type"] == "application/problem+json"
            if refused == 10:
                break
        assert refused == 10, house.answers
        stopped = {house.withdraw(one) for one in citizens}
        assert stopped <= {303, 503}, house.answers
        assert house.check(http, subs[1]) in (200, 503)
        while_full = set(house.withdrawn)

        house.make_room()
        deadline = time.monotonic() + 15
        while house.ask(http, subs[1]).status_code != 201 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert house.answers["permit", 201] >= 2, house.answers
        assert house.withdraw(citizens[2]) == 303
        found = house.server.tell("ledger verify", checkpoints=[])

    house.server.kill()
    house.server.start()
    engine = create_engine(f"sqlite:///file:{house.disk}/data/consent.db?mode=ro&uri=true")
    with engine.connect() as connection:
        kept = set(connection.execute(select(permit.c.id)).scalars())
        ended = set(connection.execute(select(consent.c.id).where(consent.c.state == "withdrawn")).scalars())
        whole = connection.exec_driver_sql("pragma integrity_check").scalar()
    engine.dispose()

    assert whole == "ok"
    assert house.permits == kept
    assert while_full < house.withdrawn
    assert house.withdrawn == ended
    assert found["ok"], found
    for one in citizens:
        one.http.close()
