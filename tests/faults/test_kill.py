"""kill -9 of the server under load, at random moments: what was acknowledged is there, and nothing is half there.

The servers, pages and tokens are real. Each citizen walks: consent on the asking page, then withdrawal of both; an
agency asks for permits meanwhile. What a client was told is written down; after each kill the database must agree.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.engine import make_url

from agency import receipt
from base.settings import Settings
from bench.world import USES, Agency, Citizen, fill
from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import open_checkpoint
from consent.store.tables import (
    act,
    consent,
    consent_event,
    data_use,
    ledger_head,
    ledger_tile,
    pending_leaf,
    permit,
)
from keys.digest import b64decode, b64encode
from keys.notes import Verifier
from regie.demo.run import free
from tests.fixtures.server import Server

WALKERS = 4
LONG = int(os.environ.get("REGIE_TEST_KILLS", "0"))
"""So many kills of each kind of database, each with its proofs; nothing said: fewer, and proofs after the last."""
ROUNDS = {"sqlite": 100, "postgresql": 100 if LONG else 20}
HOUSES = max(1, LONG // 100)
"""A hundred kills each: all that a house holds is read after every one of them."""
_ITEM = re.compile(r'href="/my/consents/([A-Za-z0-9_-]{22})/withdraw"')
_SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"}
"""The server goes on sequencing while we look: one moment is looked at."""
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class House:
    """A server that can be killed, and its database from outside."""

    settings: Settings
    server: Server
    engine: Engine


@dataclass
class Walker:
    """One citizen and what he was told. `sent`: he asked for it; `told`: he was answered that it is so."""

    citizen: Citizen
    sub: str = ""
    given_sent: int = 0
    given_told: int = 0
    withdrawal_sent: set[str] = field(default_factory=set)
    withdrawal_told: set[str] = field(default_factory=set)
    proven: set[str] = field(default_factory=set)

    def walk(self) -> None:
        """Consent to both, then withdraw both; until the server is gone."""
        http, issuer = self.citizen.http, self.citizen.agency.issuer
        while True:
            for item in _ITEM.findall(http.get(f"{issuer}/my/consents?state=given").raise_for_status().text):
                page = http.get(f"{issuer}/my/consents/{item}/withdraw").raise_for_status()
                form = {"csrf_token": _CSRF.findall(page.text)[-1]}
                self.withdrawal_sent.add(item)
                assert http.post(f"{issuer}/my/consents/{item}/withdraw", data=form).status_code == 303
                self.withdrawal_told.add(item)
            self.consent(http)

    def consent(self, http: httpx2.Client) -> None:
        self.given_sent += 1
        self.citizen.code()
        self.given_told += 1


@dataclass
class Service:
    """An agency that asks for permits. `permits`: those it holds. `leaves`: where the ledger promised them a place."""

    agency: Agency
    permits: set[str] = field(default_factory=set)
    leaves: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, http: httpx2.Client, sub: str) -> httpx2.Response:
        headers, body = self.agency.form("/oauth2/token", grant_type="client_credentials")
        tokens = http.post(f"{self.agency.issuer}/oauth2/token", headers=headers, content=body).raise_for_status()
        asked = {"sub": sub, "purpose": "housing-benefit", "data": ["address"], "source": "population-register"}
        bearer = {"authorization": f"Bearer {tokens.json()['access_token']}"}
        answer = http.post(f"{self.agency.issuer}/consent/v1/permits", json=asked, headers=bearer)
        if answer.status_code == 201:
            self.permits.add(answer.json()["permitId"])
            promised = json.loads(base64.urlsafe_b64decode(answer.json()["permit"].split(".")[1] + "=="))["ledger"]
            self.leaves.append((promised["leaf_hash"], promised["seq"]))
        else:
            assert answer.status_code == 403, answer.text
        return answer

    def work(self, subs: list[str]) -> None:
        with httpx2.Client(timeout=10) as http:
            while True:
                self.ask(http, random.choice(subs))


def _until_killed(work: Any, killed: threading.Event, failures: list[BaseException]) -> None:
    try:
        work()
    except httpx2.TransportError as error:
        # The server is gone: a request may be lost, but only because of the kill.
        if not killed.wait(5):
            failures.append(error)
    except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
        failures.append(error)


@pytest.fixture(
    params=[
        pytest.param(one, marks=pytest.mark.xdist_group(f"kill {one}"), id=f"{one}-{number}" if number else one)
        for one in ROUNDS
        for number in range(HOUSES)
    ]
)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    (port,) = free(1)
    values: dict[str, Any] = {"development": True, "port": port, "data_dir": tmp_path / "data"}
    if request.param == "postgresql":
        values |= {"database_url": request.getfixturevalue("new_postgresql_database")(f"kill{port}"), "workers": 2}
    settings = Settings(**values)
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
    if request.param == "postgresql":
        engine = create_engine(make_url(values["database_url"]), connect_args={"options": "-csearch_path=consent"})
    else:
        engine = create_engine(f"sqlite:///file:{tmp_path}/data/consent.db?mode=ro&uri=true")
    made = House(settings, Server(values["data_dir"], port, environment), engine)
    yield made
    if made.server.process is not None and made.server.process.poll() is None:
        made.server.kill()
    engine.dispose()


def test_what_was_acknowledged_outlives_every_kill(house: House) -> None:
    world = fill(house.settings)
    house.server.start()
    asking = replace(world.strict, asked={"authorization_details": json.dumps(USES)})
    walkers = [Walker(Citizen(asking, number)) for number in range(WALKERS)]
    for walker in walkers:
        walker.sub = walker.citizen.whole_flow()["sub"]
        walker.given_sent = walker.given_told = 1
    service = Service(world.service)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    rounds = ROUNDS["sqlite" if house.settings.is_sqlite else "postgresql"]
    proofs = 0
    for number in range(1, rounds + 1):
        killed, failures = threading.Event(), []
        works = [one.walk for one in walkers] + [lambda: service.work([one.sub for one in walkers])]
        threads = [threading.Thread(target=_until_killed, args=(work, killed, failures)) for work in works]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.02, 1.0))
        house.server.kill()
        killed.set()
        for thread in threads:
            thread.join(20)
        assert failures == []
        house.server.start()
        _check(house, walkers, service)
        if LONG or number == rounds:
            proofs += _prove(house, walkers, service)
    for walker in walkers:
        walker.citizen.http.close()
    assert proofs
    print(f"{rounds} kills, {proofs} proofs")

    # It was under load: of each kind something was acknowledged, and one for each kill at least.
    told = [sum(one.given_told for one in walkers), sum(len(one.withdrawal_told) for one in walkers)]
    told.append(len(service.permits))
    assert all(told)
    assert sum(told) > rounds, told


def _prove(house: House, walkers: list[Walker], service: Service) -> int:
    """Each receipt of what was acknowledged verifies, and each permit's promise was kept: how many."""
    issuer = house.server.issuer
    with httpx2.Client(timeout=20) as http:
        keys = http.get(f"{issuer}/ledger/key").text.split()
        verifiers = [Verifier.parse(one) for one in keys]
        count = 0
        for walker in walkers:
            for item in walker.withdrawal_told - walker.proven:
                file = walker.citizen.http.get(f"{issuer}/my/receipts/{item}").raise_for_status().content
                assert receipt.verify(file, keys).entry["type"] == "withdrawn"
                walker.proven.add(item)
                count += 1
        while service.leaves:
            leaf, seq = service.leaves.pop()
            told = _included(http, f"{issuer}/ledger/proofs/inclusion?leaf_hash={leaf}&seq={seq}")
            checkpoint, _ = open_checkpoint(
                told["checkpoint"], verifiers, origin=f"localhost:{house.server.port}/ledger"
            )
            path = [base64.b64decode(one) for one in told["inclusion_path"]]
            merkle.verify_inclusion(b64decode(leaf), told["log_index"], checkpoint.size, path, checkpoint.root)
            count += 1
    return count


def _included(http: httpx2.Client, url: str) -> Any:
    """What was committed just before the kill is in the next checkpoint."""
    for _ in range(40):
        answer = http.get(url)
        if answer.status_code == 200:
            return answer.json()
        time.sleep(0.1)
    return answer.raise_for_status()


def _check(house: House, walkers: list[Walker], service: Service) -> None:
    with house.engine.connect() as connection:
        connection.exec_driver_sql(_SNAPSHOT[house.engine.name])
        rows = {row.id: row for row in connection.execute(select(consent))}
        events = connection.execute(select(consent_event).order_by(consent_event.c.seq)).all()
        uses = connection.execute(select(data_use)).all()
        permits = {row.id for row in connection.execute(select(permit.c.id))}
        waiting = list(connection.execute(select(pending_leaf.c.commitment)).scalars())
        tree = {(row.level, row.n): row.hashes for row in connection.execute(select(ledger_tile))}
        head = connection.execute(select(ledger_head)).one()
        acts = list(connection.execute(select(act.c.leaf)).scalars())
        if house.settings.is_sqlite:
            assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"

    # Nothing is half there: event, projection and leaf; use, permit and leaf.
    given = [event for event in events if event.type == "given"]
    withdrawn = {event.consent for event in events if event.type == "withdrawn"}
    assert {event.consent for event in events} == set(rows)
    assert {row.id for row in rows.values() if row.state == "withdrawn"} == withdrawn
    assert set(Counter((event.citizen, event.at) for event in given).values()) <= {2}, "half an answer"
    assert {use.permit for use in uses if use.decision == "allowed"} == permits
    hashes = [event.leaf for event in events] + [use.leaf for use in uses] + acts
    assert len(set(hashes)) == len(hashes)
    # Each has its leaf, in the tree or in the queue, once; and the tree is what was signed.
    entries = tiles.split(b"".join(tree[place] for place in sorted(tree) if place[0] == tiles.ENTRIES))
    assert Counter(b64encode(merkle.leaf_hash(one)) for one in [*entries, *waiting]) == Counter(hashes)
    assert len(entries) == head.size
    assert merkle.root(head.size, tiles.node_of(lambda level, n: tree[level, n])) == head.root

    # What was told is so, and nothing that was never asked for.
    assert service.permits <= permits
    for walker in walkers:
        mine = {event.citizen for event in events if event.consent in walker.withdrawal_sent}
        assert walker.withdrawal_told <= withdrawn
        for citizen in mine:
            answers = sum(event.citizen == citizen for event in given) // 2
            assert walker.given_told <= answers <= walker.given_sent
            assert {event.consent for event in events if event.citizen == citizen and event.type == "withdrawn"} <= (
                walker.withdrawal_sent
            )
            # An acknowledged withdrawal is final: no permit while nothing is given.
            current = [row for row in rows.values() if row.citizen == citizen and row.current]
            if all(row.state == "withdrawn" for row in current):
                with httpx2.Client(timeout=10) as http:
                    assert service.ask(http, walker.sub).status_code == 403
