"""A house that has outgrown SQLite goes on on PostgreSQL: the same citizens, consents, pseudonyms, ledger and keys."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.fixtures import forked, visitors
from tests.fixtures.server import HERE, Server
from tests.fixtures.visitors import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def ledger_size(server: Server) -> int:
    return int(httpx2.get(f"{server.issuer}/ledger/checkpoint").text.splitlines()[1])


def told_of(server: Server, tokens: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    return dict(httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).raise_for_status().json())


@pytest.fixture
def visitor(server: Server) -> Iterator[Visitor]:
    visitors.citizen(server, "verhuizer")
    with closing(Visitor(server, "verhuizer")) as one:
        yield one


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_what_was_there_is_there_and_goes_on(
    server: Server, visitor: Visitor, new_postgresql_database: Callable[..., str]
) -> None:
    client = server.clients["baseline"]
    visitor.log_in()
    visitor.get(visitors.address(server, client))
    visitor.submit("/ask", **{"birth-date": "allow"})
    before = told_of(server, visitor.tokens(client, scope="openid birthdate"))
    assert before["birthdate"] == "1950-01-01"
    published = ledger_size(server)
    agencies, purposes = server.tell("agency list"), server.tell("purpose list")
    to = {
        **server.environment,
        "REGIE_DATABASE_URL": new_postgresql_database(f"moved-{server.port}"),
        "REGIE_WORKERS": "2",
    }

    def move() -> tuple[int, dict[str, Any]]:
        done = forked.told(["move", "--json"], to, HERE)
        return done.returncode, json.loads(done.stdout)

    status, told = move()
    assert (status, "open in another process" in told["error"]) == (1, True)
    server.stop()
    status, told = move()
    assert status == 0, told
    assert min(told["rows"].values()) > 30
    status, told = move()
    assert (status, "there is no SQLite database" in told["error"]) == (1, True)

    server.environment.update(to)
    server.start()
    assert (server.tell("agency list"), server.tell("purpose list")) == (agencies, purposes)
    size = ledger_size(server)
    # The same session, pseudonym and consent; then something new in the same ledger, and everything agrees.
    assert told_of(server, visitor.tokens(client, scope="openid birthdate")) == before
    server.tell("agency suspend", id="health-insurer", by="")
    verified = server.run("ledger", "verify")
    assert (verified["ok"], verified["findings"]) == (True, [])
    deadline = time.monotonic() + 20
    while ledger_size(server) <= size and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ledger_size(server) > size >= published
    assert [one for one in server.run("doctor") if not one["ok"]] == []
