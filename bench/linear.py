"""Is there ever a yes after a no was acknowledged? Asked of running servers that are killed meanwhile.

Writers are citizens in browsers, one thread each: they consent on the asking page and stop everything on theirs.
Readers are agencies: they check, ask permits, and the source takes them, some twice at once. Everything is written down
with one clock (bench.history), and read by a checker at the end. Started by bench/linearizability.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2

from base.settings import Settings
from bench import postgresql
from bench.history import CHECK, GIVE, PERMIT, REDEEM, WITHDRAW, Call, contradictions
from bench.load import ask, request
from bench.world import USES, Agency, Citizen, fill
from regie.commands import COMMANDS
from regie.house import House

WRITERS, READERS = 6, 16
STOP = "/my/agencies/municipality/withdraw"
TOKEN_S = 120
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
_HERE = Path(__file__).resolve().parent.parent


@dataclass
class Run:
    """`wanted`: calls in all. `subs`: the citizens, as the agency knows them."""

    settings: Settings
    wanted: int
    kill_every_s: float
    service: Agency
    source: Agency
    subs: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    kills: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def done(self) -> bool:
        return len(self.calls) >= self.wanted

    def start(self) -> None:
        values = {name: getattr(self.settings, name) for name in ("development", "port", "data_dir", "workers")}
        if self.settings.database_url:
            values["database_url"] = self.settings.database_url
        environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in values.items()}}
        command = [sys.executable, "-m", "regie.cli", "serve"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, env=environment, cwd=_HERE, stdout=quiet, stderr=quiet, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.settings.issuer}/health/ready", timeout=5).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        sys.exit("the server did not answer")

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(15)

    def killer(self) -> None:
        """Until enough was asked: at random moments all processes end at once, and begin again."""
        while not self.done:
            waited = time.monotonic() + random.uniform(0.5, 1.5) * self.kill_every_s
            while time.monotonic() < waited and not self.done:
                time.sleep(0.05)
            if not self.done:
                self.kill()
                self.kills += 1
                self.start()

    def write(self, kind: str, citizen: int, begun: float, answer: str, permit: str = "") -> None:
        self.calls.append(Call(kind, citizen, begun, time.monotonic(), answer, permit))


def _writes(run: Run, number: int, citizen: Citizen) -> None:
    """Give, leave it for a moment, stop it, leave it for a moment."""
    http, issuer = citizen.http, citizen.agency.issuer
    while not run.done:
        begun = time.monotonic()
        try:
            citizen.code()
            run.write(GIVE, number, begun, "acknowledged")
        except (httpx2.TransportError, KeyError, ValueError) as error:
            _cut_off(run, GIVE, number, begun, error)
        time.sleep(random.uniform(0, 0.05))
        begun = time.monotonic()
        try:
            page = http.get(issuer + STOP)
            if page.status_code == 200:
                begun = time.monotonic()
                answer = http.post(issuer + STOP, data={"csrf_token": _CSRF.findall(page.text)[-1]})
                run.write(WITHDRAW, number, begun, "acknowledged" if answer.status_code == 303 else "")
        except httpx2.TransportError as error:
            _cut_off(run, WITHDRAW, number, begun, error)
        time.sleep(random.uniform(0, 0.05))


def _cut_off(run: Run, kind: str, number: int, begun: float, error: Exception) -> None:
    """It may have taken effect, unless nobody was there at all."""
    if not isinstance(error, httpx2.ConnectError):
        run.write(kind, number, begun, "")
    time.sleep(0.2)


class _Reader:
    """One connection of an agency's, over raw sockets: the load must cost less than the server."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._port = run.settings.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._tokens: dict[str, tuple[str, float]] = {}

    async def work(self) -> None:
        while not self._run.done:
            try:
                await self._one()
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                await asyncio.sleep(0.1)
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _one(self) -> None:
        citizen = random.randrange(len(self._run.subs))
        asked = {"sub": self._run.subs[citizen], "purpose": "housing-benefit", "data": ["address"]}
        if random.random() < 0.6:
            found = await self.call(CHECK, citizen, "/consent/v1/checks", asked)
            if found is not None:
                told = found[1]
                self._run.write(
                    CHECK, citizen, found[0], "allowed" if told["decision"] == "allowed" else told["reason"]
                )
            return
        asked["source"] = "population-register"
        found = await self.call(PERMIT, citizen, "/consent/v1/permits", asked)
        if found is None:
            return
        begun, told = found
        self._run.write(PERMIT, citizen, begun, "allowed" if "permit" in told else told["reason"])
        if "permit" in told:
            await asyncio.gather(
                *(self._take(citizen, told, other) for other in (False, True)[: random.choice((1, 1, 2))])
            )

    async def _take(self, citizen: int, told: dict[str, Any], other: bool) -> None:
        """`other`: on a connection of its own, at the same moment."""
        reader = _Reader(self._run) if other else self
        try:
            found = await reader.call(REDEEM, citizen, "/consent/v1/permits/redemptions", {"permit": told["permit"]})
        finally:
            if other:
                reader.close()
        if found is not None:
            answer = "allowed" if "redeemedAt" in found[1] else found[1].get("reason", "refused")
            self._run.write(REDEEM, citizen, found[0], answer, told["permitId"])

    async def call(
        self, kind: str, citizen: int, path: str, body: dict[str, Any]
    ) -> tuple[float, dict[str, Any]] | None:
        """When it began and what was answered; None for what says nothing (busy). OSError when the server is gone."""
        agency = self._run.source if kind == REDEEM else self._run.service
        token = await self._token(agency)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        # What was never sent is no call: only a connection that breaks leaves one in doubt.
        await self._connect()
        begun = time.monotonic()
        try:
            status, answered = await self._ask(request("POST", path, self._port, headers, json.dumps(body).encode()))
        except (OSError, asyncio.IncompleteReadError):
            self._run.write(kind, citizen, begun, "")
            raise
        if status == 401:
            self._tokens.clear()
        if status not in (200, 201, 403, 409):
            return None
        return begun, json.loads(answered)

    async def _token(self, agency: Agency) -> str:
        token, until = self._tokens.get(agency.client_id, ("", 0.0))
        if time.monotonic() >= until:
            headers, body = agency.form("/oauth2/token", grant_type="client_credentials")
            status, told = await self._ask(request("POST", "/oauth2/token", self._port, headers, body))
            if status != 200:
                raise OSError("no token")
            token = json.loads(told)["access_token"]
            self._tokens[agency.client_id] = (token, time.monotonic() + TOKEN_S)
        return token

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def _ask(self, raw: bytes) -> tuple[int, bytes]:
        return await ask(*await self._connect(), raw)


async def _read(run: Run, progress: bool) -> None:
    async def tell() -> None:
        while not run.done:
            if progress:
                print(f"\r{len(run.calls):9} of {run.wanted}, {run.kills} kills", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        for _ in range(READERS):
            group.create_task(_Reader(run).work())
    if progress:
        print(file=sys.stderr)


def measured(settings: Settings, operations: int, kill_every_s: float, *, progress: bool = False) -> Run:
    """All of it, on an empty house."""
    world = fill(settings)
    file = {
        "agency": "population-register",
        "client_name": "source",
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "scope": "consent:redeem",
    }
    house = House.open(settings)
    try:
        added = COMMANDS["client add"](house, {"file": json.dumps(file), "profile": "baseline"}, lambda _: None)
    finally:
        house.close()
    source = Agency(settings.issuer, added["client_id"], secret=added["client_secret"])
    run = Run(settings, operations, kill_every_s, world.service, source)
    run.start()
    asking = replace(world.strict, asked={"authorization_details": json.dumps(USES)})
    citizens = [Citizen(asking, number) for number in range(WRITERS)]
    for number, citizen in enumerate(citizens):
        begun = time.monotonic()
        run.subs.append(citizen.whole_flow()["sub"])
        run.write(GIVE, number, begun, "acknowledged")
    works = [(_writes, (run, number, citizen)) for number, citizen in enumerate(citizens)]
    threads = [threading.Thread(target=work, args=given) for work, given in works]
    threads.append(threading.Thread(target=run.killer))
    for thread in threads:
        thread.start()
    try:
        asyncio.run(_read(run, progress))
    finally:
        for thread in threads:
            thread.join()
        run.kill()
        for citizen in citizens:
            citizen.http.close()
    return run


@contextmanager
def _settings(on: str, directory: Path, port: int) -> Iterator[Settings]:
    with postgresql.running() if on == "postgresql" else nullcontext("") as url:
        more: dict[str, Any] = {"database_url": url, "workers": 4} if url else {}
        yield Settings(development=True, port=port, data_dir=directory / on, **more)


def report(on: str, run: Run, took_s: float) -> int:
    """What was asked, and how many answers nothing explains; the first of those."""
    kinds = Counter(call.kind for call in run.calls)
    yes = sum(call.answer == "allowed" for call in run.calls if call.kind in (CHECK, PERMIT))
    cut = sum(not call.answer for call in run.calls)
    found = list(contradictions(run.calls))
    processes = f"{run.settings.workers} processes" if run.settings.workers > 1 else "1 process"
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{on}, {processes}: {len(run.calls)} operations ({told}) in {took_s:.0f} s, {run.kills} kills")
    print(f"  {yes} yes, {cut} cut off by a kill; contradictions: {len(found)}")
    for sentence in found[:5]:
        print(f"  {sentence}")
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="No permit begins after a withdrawal was acknowledged.")
    parser.add_argument("--operations", type=int, default=200_000, help="on each kind of database")
    parser.add_argument("--on", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--kill-every", type=float, default=15, help="seconds, on average")
    given = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory(prefix="regie-bench-") as name:
        for number, on in enumerate(["sqlite", "postgresql"] if given.on == "both" else [given.on]):
            with _settings(on, Path(name), 18441 + number) as settings:
                begun = time.monotonic()
                run = measured(settings, given.operations, given.kill_every, progress=sys.stderr.isatty())
                found += report(on, run, time.monotonic() - begun)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
