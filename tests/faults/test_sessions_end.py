"""A session that ended stays ended: on every process at the next request, and after kill -9 of the one that said so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from regie.demo.run import free
from tests.fixtures.server import Server, copied
from tests.fixtures.visitors import Visitor, citizen, claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fault


@pytest.fixture(params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    filled_server: Callable[[pytest.FixtureRequest], Server],
) -> Iterator[Server]:
    """A server of this test's own: it is killed."""
    made = copied(filled_server(request), request, tmp_path_factory)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def second(house: Server) -> Iterator[Server]:
    """Another process group on the same PostgreSQL database, under the same address."""
    if "REGIE_DATABASE_URL" not in house.environment:
        pytest.skip("on SQLite there is one process, by design")
    port = free(1)[0]
    environment = {**house.environment, "REGIE_ISSUER": house.issuer, "REGIE_PORT": str(port), "REGIE_WORKERS": "1"}
    one = Neighbour(house.directory, port, environment, named=house.port)
    one.start()
    yield one
    one.stop()


class Neighbour(Server):
    """Reached by its own port, called by the first one's name."""

    def __init__(self, *given: object, named: int) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.headers = {"host": f"localhost:{named}"}

    def start(self) -> None:
        self.launch()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.get("/health/ready").status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.02)
        raise AssertionError("the second server did not start")

    def get(self, path: str, cookies: dict[str, str] | None = None, **headers: str) -> httpx2.Response:
        return httpx2.get(f"{self.issuer}{path}", headers={**self.headers, **headers}, cookies=cookies)


def test_ended_in_one_process_it_is_refused_in_the_other_at_the_next_request(house: Server, second: Neighbour) -> None:
    """S-05, T-20: nothing is kept in a process that another must know."""
    person = citizen(house, "vera")
    client = house.register("both", "baseline", agency="health-insurer")
    for end in ("page", "operator", "suspend"):
        vera = Visitor(house, "vera")
        token = vera.tokens(client)["access_token"]
        cookies, bearer = vera.cookies(), f"Bearer {token}"
        assert second.get("/my", cookies).status_code == 200
        assert second.get("/oauth2/userinfo", authorization=bearer).status_code == 200

        if end == "page":
            vera.send("/my", "/logout")
        elif end == "operator":
            house.tell("session end", id="", citizen=person)
        else:
            house.tell("citizen suspend", id=person)

        assert second.get("/my", cookies).status_code == 303
        assert second.get("/oauth2/userinfo", authorization=bearer).status_code == 401
        vera.close()


def test_what_was_acknowledged_survives_the_kill_that_follows(house: Server) -> None:
    person = citizen(house, "wim")
    client = house.register("killed", "baseline", agency="health-insurer")
    wim = Visitor(house, "wim")
    token = wim.tokens(client)["access_token"]
    sid = claims(wim.tokens(client)["id_token"])["sid"]
    cookies = wim.cookies()

    assert house.tell("session end", id="", citizen=person)["ended"] == 1
    house.kill()
    house.start()

    assert httpx2.get(f"{house.issuer}/my", cookies=cookies).status_code == 303
    bearer = {"authorization": f"Bearer {token}"}
    assert httpx2.get(f"{house.issuer}/oauth2/userinfo", headers=bearer).status_code == 401
    again = wim.tokens(client)
    assert claims(again["id_token"])["sid"] != sid
    wim.close()
