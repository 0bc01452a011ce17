"""Does a check or a permit cost more in a large register than in a small one? Started by bench/scale.

PostgreSQL holds 10,000 consents, then ten times as many, and so on, with four uses of each (bench.filling). At each step
a new server is asked about citizens chosen by lot among all there are. CPU is the server's and that of the database's
processes that serve it. Beside it stands a second register that stays at 10⁵ consents, in the same PostgreSQL, and the
two are asked by turns: what disturbs the one disturbs the other. Each figure is the best of ten runs: the one that was
disturbed least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy import create_engine, make_url, text

from base.settings import Settings
from bench import postgresql
from bench.filling import USES, Filling
from bench.load import Process, measure, start, warm_up
from bench.people import GIVEN, SOURCE
from bench.rows import CHECKS, PERMITS
from bench.steps import own_token, post
from bench.world import World, fill
from consent.offline.lists import StatusLists
from consent.store import statuses
from regie.house import House

PORT = 18451
STEPS = (10_000, 100_000, 1_000_000, 5_000_000)
BASE = 100_000
"""The step that the others are compared with."""
BOUND, LISTS_S = 0.2, 1.0
CONSENTS_A_YEAR, USES_A_YEAR, YEAR_S = 340_000_000, 8_000_000_000, 365 * 86_400
PEAK = 10
"""How many times the year's mean the busiest second is taken to be."""
OF_CONSENTS = ("subject", "citizen_seed", "consent_event", "consent", "consent_status")
OF_USES = ("data_use", "permit")
LABELS = {
    "check_us": "check, CPU µs",
    "check_ms": "check, p99 ms",
    "permit_us": "permit, CPU µs",
    "permit_ms": "permit, p99 ms",
}


@dataclass(slots=True)
class Costs:
    """The least of what was measured, by name in `LABELS`; of that of the CPU, the database's part."""

    least: dict[str, float] = field(default_factory=dict)
    of_database_us: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, cpu_us: float, database_us: float, p99_ms: float) -> None:
        if cpu_us < self.least.get(f"{name}_us", math.inf):
            self.least[f"{name}_us"], self.of_database_us[name] = cpu_us, database_us
        self.least[f"{name}_ms"] = min(p99_ms, self.least.get(f"{name}_ms", math.inf))


@dataclass(frozen=True, slots=True)
class Register:
    """A house that is filled, and what measures it."""

    house: House
    world: World
    filling: Filling


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured with so many consents. `beside`: with `BASE`, in the same minutes. `sizes`: bytes by table."""

    consents: int
    fill_s: float
    costs: Costs
    beside: Costs
    sizes: dict[str, int]
    journal: int
    lists: int
    lists_s: float
    lists_cpu_s: float

    @property
    def uses(self) -> int:
        return self.consents // len(GIVEN) * USES


def measured(
    settings: Settings,
    beside: Settings,
    steps: list[int],
    operations: int,
    repeats: int,
    *,
    progress: bool,
    base: int = BASE,
) -> Iterator[Step]:
    """Each step as it is done, on an empty house. `beside`: of another, for the register that stays at `base` consents."""
    with _register(beside) as small, _register(settings) as growing:
        _fill(small, base, "beside it", progress=progress)
        for consents in steps:
            yield _step(growing, small, consents, (operations, repeats), progress=progress)


def _step(growing: Register, small: Register, consents: int, work: tuple[int, int], *, progress: bool) -> Step:
    house, filling = growing.house, growing.filling
    fill_s = _fill(growing, consents, f"{consents} consents", progress=progress)
    sizes = filling.sizes()
    lists, lists_s, lists_cpu_s = _lists(house, filling)
    for one in (small.filling, filling):
        one.warm()
    with _pinned(), _served(house.settings) as process, _served(small.house.settings) as beside:
        costs, costs_beside = _costs(((growing, process), (small, beside)), *work)
    # What was issued last is in the tree before more is filled in.
    asyncio.run(house.consent.ledger.round())
    journal = sum(path.stat().st_size for path in (house.settings.data_dir / "ledger").iterdir())
    done = filling.citizens * len(GIVEN)
    return Step(done, fill_s, costs, costs_beside, sizes, journal, lists, lists_s, lists_cpu_s)


def _fill(register: Register, consents: int, name: str, *, progress: bool) -> float:
    """The seconds it took."""
    begun = time.monotonic()
    with _bar(name, show=progress) as told:
        register.filling.fill(consents, told)
    return time.monotonic() - begun


def _costs(asked_by_turns: tuple[tuple[Register, Process], ...], operations: int, repeats: int) -> list[Costs]:
    """Of each register."""
    found = [Costs() for _ in asked_by_turns]
    for repeat in range(repeats):
        for name, path, status, count in (
            ("check", CHECKS, 200, operations),
            ("permit", PERMITS, 201, operations // 3),
        ):
            turns = list(zip(found, asked_by_turns, strict=True))
            for costs, (register, process) in turns[:: -1 if repeat % 2 else 1]:
                filling, token = register.filling, own_token(process, register.world.service)
                if not repeat:
                    warm_up(process, _asked(process, filling, path, token, count // 3), wanted=status)
                asked = _asked(process, filling, path, token, count)
                before = filling.backends_us()
                row = measure(f"{name}, {filling.citizens * len(GIVEN)} consents", process, asked, wanted=status)
                database_us = (filling.backends_us() - before) / count
                costs.take(name, row["cpu_us"] + database_us, database_us, row["p99_ms"])
    return found


def _asked(process: Process, filling: Filling, path: str, token: str, count: int) -> list[bytes]:
    """Requests about citizens chosen by lot; permits about those who have not withdrawn."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    agency, purpose, category = GIVEN[0]
    made: list[bytes] = []
    while len(made) < count:
        person = filling.person(random.randrange(filling.citizens))
        if path == CHECKS or not person.has_withdrawn:
            body = {"sub": person.subs[agency], "purpose": purpose, "data": [category]}
            if path == PERMITS:
                body["source"] = SOURCE
            made.append(post(process.port, path, headers, json.dumps(body).encode()))
    return made


def _lists(house: House, filling: Filling) -> tuple[int, float, float]:
    """How many status lists there are, and the seconds and CPU to make and sign all of them from nothing."""
    database, fence = house.databases["consent"], house.consent.ledger.fence
    count = (database.read_now(statuses.newest) or 0) + 1

    async def make() -> None:
        lists = StatusLists(database, house.ring, fence, house.settings.issuer, house.clock)
        for number in range(count):
            assert await lists.token(number) is not None

    asyncio.run(make())
    before, begun = time.process_time() + filling.backends_us() / 1e6, time.monotonic()
    asyncio.run(make())
    took_s = time.monotonic() - begun
    return count, took_s, time.process_time() + filling.backends_us() / 1e6 - before


@contextmanager
def _register(settings: Settings) -> Iterator[Register]:
    with ExitStack() as stack:
        world = fill(settings)
        house = House.open(settings)
        stack.callback(house.close)
        asyncio.run(house.consent.ledger.round())
        filling = Filling(house)
        stack.callback(filling.close)
        yield Register(house, world, filling)


def _settings(directory: str, url: str, number: int) -> Settings:
    """Of one of several houses, with a new database of its own."""
    name = f"scale{number}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine.dispose()
    own = make_url(url).set(database=name).render_as_string(hide_password=False)
    return Settings(development=True, port=PORT + number, data_dir=Path(directory) / name, database_url=own)


@contextmanager
def _served(settings: Settings) -> Iterator[Process]:
    members = {name: getattr(settings, name) for name in ("development", "port", "data_dir", "database_url")}
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in members.items()}}
    process = start([sys.executable, "-m", "regie.cli", "serve"], environment, settings.port, "/health/live")
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def _pinned() -> Iterator[None]:
    """The load on the second core; the server is on the first."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {1})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _bar(name: str, *, show: bool) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def report(steps: list[Step]) -> None:
    """One table, each cost beside that of the register that stayed at 10⁵ consents."""
    print("\n" + _line("consents", (f"{one.consents:,}" for one in steps)))
    print(_line("uses", (f"{one.uses:,}" for one in steps)))
    print(_line("to fill this step, s", (f"{one.fill_s:.0f}" for one in steps)))
    for name, label in LABELS.items():
        digits = 0 if name.endswith("us") else 1
        print(_line(label, (f"{one.costs.least[name]:.{digits}f}" for one in steps)))
        if name.endswith("us"):
            of = name.removesuffix("_us")
            print(_line("  of it the database's", (f"{one.costs.of_database_us[of]:.0f}" for one in steps)))
        print(_line("  at 10⁵, by turns with it", (f"{one.beside.least[name]:.{digits}f}" for one in steps)))
        if name.endswith("us"):
            print(_line("  of it the database's", (f"{one.beside.of_database_us[of]:.0f}" for one in steps)))
        print(_line("  ÷ that", (_ratio(one.costs.least[name] / one.beside.least[name]) for one in steps)))
    print(_line("on disk, MiB", (f"{(sum(one.sizes.values()) + one.journal) / 2**20:,.0f}" for one in steps)))
    print(_line("status lists", (str(one.lists) for one in steps)))
    print(_line("  all made and signed, s", (_bounded(one.lists_s) for one in steps)))
    print(_line("  CPU of it, s", (f"{one.lists_cpu_s:.2f}" for one in steps)))
    _on_paper(steps[-1])


def _on_paper(last: Step) -> None:
    """What the largest step says for a country's year."""

    def bytes_of(names: tuple[str, ...]) -> int:
        return sum(last.sizes[name] for name in names)

    leaves = last.consents + last.uses
    tree = (last.sizes["ledger_tile"] + last.journal) / leaves
    consent, use = bytes_of(OF_CONSENTS) / last.consents + tree, bytes_of(OF_USES) / last.uses + tree
    a_second = USES_A_YEAR / YEAR_S
    print(f"\nOn paper, for {CONSENTS_A_YEAR:,} consents and {USES_A_YEAR:,} uses a year:")
    print(f"  {consent:.0f} bytes a consent, {use:.0f} a use, of each {tree:.0f} in the tree and the journal:")
    print(
        f"  {CONSENTS_A_YEAR * consent / 1e9:.0f} GB of consents and {USES_A_YEAR * use / 1e12:.1f} TB of uses a year"
    )
    print(f"  {a_second:.0f} uses a second on average, {PEAK * a_second:.0f} at {PEAK} times that")
    for name in ("check", "permit"):
        cpu_us = last.costs.least[f"{name}_us"]
        decades = math.log10(last.consents / BASE)
        if decades > 0.5:
            slope = max(0.0, (cpu_us - last.beside.least[f"{name}_us"]) / decades)
            cpu_us += slope * math.log10(CONSENTS_A_YEAR / last.consents)
        cores = PEAK * a_second * cpu_us / 1e6
        print(f"  a {name} costs {cpu_us:.0f} µs there, if it grows as from 10⁵ on: {cores:.1f} cores at the peak")
    each_s = last.lists_s / last.lists
    # The last list is not full.
    lists = math.ceil(CONSENTS_A_YEAR / last.consents * max(last.lists - 0.5, 0.5))
    print(
        f"  {lists} status lists, if every consent has its bit: {each_s * 1e3:.0f} ms each, {lists * each_s:.0f} s for all"
    )


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}{'' if ratio <= 1 + BOUND else ' MISSED'}"


def _bounded(took_s: float) -> str:
    return f"{took_s:.2f}{'' if took_s <= LISTS_S else ' MISSED'}"


def _line(label: str, values: Any) -> str:
    return f"{label:26}" + "".join(f"{value:>16}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description="A check and a permit in a small register and in a large one.")
    parser.add_argument("--most", type=int, default=STEPS[-1], help="consents at which to stop")
    parser.add_argument("--operations", type=int, default=3000, help="checks in one run; a third as many permits")
    parser.add_argument("--repeats", type=int, default=10, help="runs, of which the best counts")
    given = parser.parse_args()
    steps = [one for one in STEPS if one < given.most] + [given.most]
    with (
        tempfile.TemporaryDirectory(prefix="regie-bench-") as name,
        postgresql.running(postgresql.of_a_large_register()) as url,
    ):
        growing, beside = (_settings(name, url, number) for number in (0, 1))
        found: list[Step] = []
        for step in measured(growing, beside, steps, given.operations, given.repeats, progress=sys.stderr.isatty()):
            found.append(step)
            report(found)


if __name__ == "__main__":
    main()
