"""A register extract: every good line goes in once, whatever happens on the way; every bad one is named."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import func, select, text

from idp.citizens import generator, importing, register
from idp.citizens.national_number import is_valid
from idp.store import people
from idp.store.tables import citizen
from tests.fixtures.server import HERE, REGIE, make

if TYPE_CHECKING:
    from base.clock import FrozenClock
    from base.database import Database
    from keys.ring import Ring
    from tests.fixtures.house import Backend
    from tests.fixtures.server import Server

GOOD: dict[str, Any] = {
    "national_number": "999900006",
    "given_names": "Wino",
    "family_name": "Bergman",
    "birth_date": "1942-05-12",
}


def people_of(count: int) -> list[register.Person]:
    return list(generator.people(count, seed=7))


def write_csv(path: Path, persons: list[register.Person]) -> Path:
    with path.open("w", newline="") as out:
        generator.write_csv(iter(persons), out)
    return path


def write_json(path: Path, persons: list[register.Person]) -> Path:
    path.write_bytes(b"".join(register.encode(person) + b"\n" for person in persons))
    return path


def count(database: Database) -> int:
    return database.read_now(lambda c: c.execute(select(func.count()).select_from(citizen)).scalar_one())


def stored(database: Database, ring: Ring, number: str) -> register.Person | None:
    index = ring.pseudonyms.blind_index(number)
    found = database.read_now(lambda c: people.by_number(c, [index])).get(index)
    return importing.person_of(ring, found) if found is not None else None


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path, write: Any) -> None:
    persons = people_of(3)
    path = write(tmp_path / "extract", persons)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert [person for _, _, person in register.read(path)] == persons


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_both_forms_give_the_same_people(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path, write: Any
) -> None:
    persons = people_of(1203)
    database = backend.open("idp")
    told: list[int] = []
    path = write(tmp_path / "extract", persons)
    report = importing.import_file(database, ring, path, now=clock.now(), progress=told.append)
    assert (report.lines, report.added, report.refused, report.bad) == (1203, 1203, 0, [])
    assert [stored(database, ring, one.national_number) for one in persons[::100]] == persons[::100]
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size
    assert len(told) >= 4


def test_a_second_run_changes_nothing_and_a_corrected_file_only_what_differs(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path
) -> None:
    persons = people_of(600)
    database = backend.open("idp")
    path = write_csv(tmp_path / "extract.csv", persons)
    importing.import_file(database, ring, path, now=clock.now())
    again = importing.import_file(database, ring, path, now=clock.now())
    assert (again.added, again.changed, again.unchanged, again.resumed_after) == (0, 0, 600, 0)

    moved = msgspec.structs.replace(persons[3], address=register.Address(street="Kade", city="Duinstad"))
    gone = msgspec.structs.replace(persons[550], state="deceased")
    persons[3], persons[550] = moved, gone
    third = importing.import_file(database, ring, write_csv(path, persons), now=clock.now())
    assert (third.added, third.changed, third.unchanged) == (0, 2, 598)
    assert stored(database, ring, moved.national_number) == moved
    assert stored(database, ring, gone.national_number) == gone
    assert count(database) == 600


def test_a_number_that_comes_back_is_refused_wherever_it_stands(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path
) -> None:
    """Else the last line would win in one run, and each run would change the person twice."""
    persons = people_of(1100)
    twin = msgspec.structs.replace(persons[0], family_name="Anders")
    path = write_csv(tmp_path / "extract.csv", [*persons, twin])
    database = backend.open("idp")
    report = importing.import_file(database, ring, path, now=clock.now())
    assert [(bad.line, bad.reason) for bad in report.bad] == [
        (1102, "the national number stands in this file a second time")
    ]
    assert stored(database, ring, twin.national_number) == persons[0]
    assert importing.import_file(database, ring, path, now=clock.now()).changed == 0


BAD: dict[str, tuple[Any, str]] = {
    "eleven-proof": ({"national_number": "999900007"}, "eleven-proof"),
    "letters": ({"national_number": "99990000X"}, "eleven-proof"),
    "digits of another script": ({"national_number": "٩٩٩٩٠٠٠٠٦"}, "eleven-proof"),
    "no name": ({"given_names": " ", "family_name": ""}, "no name"),
    "a name too long": ({"family_name": "x" * 201}, "longer than 200"),
    "a control character": ({"family_name": "Berg\x1b[2Jman"}, "cannot be printed"),
    "not a date": ({"birth_date": "12-05-1942"}, "not a date"),
    "no such day": ({"birth_date": "1941-02-29"}, "not a date"),
    "a day without a month": ({"birth_date": "1941-00-12"}, "not a date"),
    "a nationality": ({"nationality": "Dutch"}, "three letters"),
    "a state": ({"state": "alive"}, "not one of"),
}


@pytest.mark.parametrize(("change", "reason"), list(BAD.values()), ids=list(BAD))
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_bad_line_is_told_by_number_and_reason(tmp_path: Path, form: str, change: Any, reason: str) -> None:
    rows = [GOOD, {**GOOD, **change}]
    path = tmp_path / "extract"
    if form == "json":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        out = io.StringIO()
        writer = csv.DictWriter(out, [*GOOD, "nationality", "state"], restval="")
        writer.writeheader()
        writer.writerows([{"nationality": "NLD", "state": "active", **row} for row in rows])
        path.write_text(out.getvalue())
    (_, _, good), (number, _, bad) = register.read(path)
    assert isinstance(good, register.Person)
    assert isinstance(bad, register.BadLine)
    assert number == bad.line == (2 if form == "json" else 3)
    assert reason in bad.reason
    assert not any(str(value) in bad.reason for value in change.values() if len(str(value)) > 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'999900018,"Wi,Berg,1942-05-12', "quotes"),
        (b"999900018,Wi,Berg", "3 fields"),
        (b"999900018,Wi,Berg,1942-05-12,more", "5 fields"),
        (b"999900018,W\xff,Berg,1942-05-12", "UTF-8"),
        (b"999900018," + b"x" * 3_000_000 + b",Berg,1942-05-12", "too long"),
        (b"\x00\x00", "fields"),
    ],
)
def test_what_is_no_line_at_all_is_told_and_the_next_is_taken(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "extract.csv"
    path.write_bytes(
        b"national_number,given_names,family_name,birth_date\n" + line + b"\n\n999900006,Wi,B,1942-00-00\n"
    )
    (_, _, bad), (number, _, good) = register.read(path)
    assert isinstance(bad, register.BadLine)
    assert (bad.line, number) == (2, 4)
    assert reason in bad.reason
    assert isinstance(good, register.Person)


@pytest.mark.parametrize(
    "line", [b"[]", b"{", b'{"national_number": 1}', json.dumps({**GOOD, "iban": "x"}).encode(), b"\xff{}"]
)
def test_what_is_no_person_in_json_is_told(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "extract.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n")
    _, (number, _, bad) = register.read(path)
    assert isinstance(bad, register.BadLine)
    assert number == 2


HEADER = b"national_number,given_names,family_name,birth_date"


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\xff\xfe\n",
        b"%PDF-1.7\n",
        b"national_number\n1\n",
        b"",
        b"\xef\xbb\xbf",
        HEADER + b"\r999900006,Anna,Voorbeeld,1954-03-02\r",
        b"x" * 300_000,
    ],
    ids=["columns", "utf-16", "pdf", "one-column", "empty", "only-a-mark", "ends-of-lines", "one-line"],
)
def test_a_file_that_is_no_register_is_refused_whole(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "extract"
    path.write_bytes(content)
    database = backend.open("idp")
    with pytest.raises(register.NotARegister):
        importing.import_file(database, ring, path, now=clock.now())
    assert count(database) == 0


def test_a_run_that_breaks_off_goes_on_where_it_was_and_reports_everything(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path
) -> None:
    persons = people_of(2000)
    persons[10] = msgspec.structs.replace(persons[10], nationality="?")
    persons[1900] = msgspec.structs.replace(persons[5], family_name="Anders")
    path = write_csv(tmp_path / "extract.csv", persons)
    database = backend.open("idp")
    told = 0

    def breaks_off(_done: int) -> None:
        nonlocal told
        told += 1
        if told == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importing.import_file(database, ring, path, now=clock.now(), progress=breaks_off)
    assert count(database) == 999
    report = importing.import_file(database, ring, path, now=clock.now())
    assert (report.resumed_after, report.lines, report.added) == (1001, 2000, 999)
    assert [bad.line for bad in report.bad] == [12, 1902]
    assert count(database) == 1998


def test_nothing_of_a_person_can_be_read_in_the_database(
    backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path
) -> None:
    persons = people_of(50)
    database = backend.open("idp")
    importing.import_file(database, ring, write_csv(tmp_path / "extract.csv", persons), now=clock.now())
    rows = database.read_now(lambda c: repr(c.execute(text(f"SELECT * FROM {citizen.fullname}")).all()))
    assert "active" in rows
    for person in persons:
        assert not [text for text in (person.national_number, person.family_name, person.birth_date) if text in rows]


@pytest.fixture(params=["sqlite", "postgresql"])
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A house that no server has open."""
    return make(request, tmp_path_factory)


def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(stopped: Server, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "extract.csv", people_of(30_000))
    stopped.run("migrate")
    in_the_middle = 0
    for pause in (0.0, 0.4, 0.9):
        running = subprocess.Popen(
            [*REGIE, "citizen", "import", str(path), "--json"],
            env=stopped.environment,
            cwd=HERE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0 + pause)
        in_the_middle += running.poll() is None
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
    assert in_the_middle
    report = stopped.run("citizen", "import", str(path))
    passed_over = max(0, report["resumed_after"] - 1)
    assert (report["lines"], report["refused"], report["changed"]) == (30_000, 0, 0)
    # Unchanged is what a run had finished whole: then the file begins anew.
    assert report["added"] + report["unchanged"] == 30_000 - passed_over
    again = stopped.run("citizen", "import", str(path))
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 30_000)


def test_the_sample_is_whole_and_of_the_test_range() -> None:
    path = HERE / "idp" / "citizens" / "sample-1000.csv"
    persons = [found for _, _, found in register.read(path)]
    assert len(persons) == 1000
    assert all(isinstance(one, register.Person) and is_valid(one.national_number) for one in persons)
    assert all(one.national_number.startswith("9999") for one in persons if isinstance(one, register.Person))
    assert len({one.national_number for one in persons if isinstance(one, register.Person)}) == 1000


def test_people_of_one_seed_are_the_same_in_another_process(tmp_path: Path) -> None:
    first = write_csv(tmp_path / "here.csv", people_of(300)).read_bytes()
    other = tmp_path / "there.csv"
    command = [sys.executable, "-m", "regie.cli", "citizen", "generate", "300", str(other), "--seed", "7"]
    subprocess.run(command, cwd=HERE, check=True, capture_output=True)
    assert other.read_bytes() == first
    addresses = {(one.address.street, one.address.house_number, one.address.city) for one in people_of(300)}
    assert len(addresses) < 290
