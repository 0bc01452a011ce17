"""Taking in a register extract: in batches, resumable, idempotent; a bad line is reported and all others go in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from base import audit
from base.database import Connection, Database
from base.ids import digest, identifier
from idp.citizens import register
from idp.citizens.register import BadLine, Person
from idp.store import people
from idp.store.people import StoredCitizen
from keys.digest import b64encode
from keys.ring import Ring

BATCH = 500
MAX_REPORTED = 1000
"""Bad lines that are listed; all are counted."""
TABLE, COLUMN = "citizen", "person"


@dataclass(slots=True)
class Report:
    """What an import did. `bad`: the first 1,000 lines that were not taken."""

    lines: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    resumed_after: int = 0
    bad: list[BadLine] = field(default_factory=list)


def import_file(
    database: Database, ring: Ring, path: Path, *, now: datetime, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Import `path`. `progress` is told the bytes read so far. NotARegister.

    Where it stopped is kept by the file's fingerprint, in the same commit as the batch: a second run of the same file
    goes on there, and a run of a finished file starts again and finds everything unchanged.
    """
    size = max(path.stat().st_size, 1)
    mark = fingerprint(path)
    after = database.read_now(lambda c: people.progress(c, mark))
    report = Report(resumed_after=after)
    lines = register.read(path, after=after)
    position = 0
    while batch := list(islice(lines, BATCH)):
        last = batch[-1][0]
        persons = _good(batch, report)
        database.write_now(lambda c, p=persons, n=last: _take(c, ring, p, report, mark, n, now))  # type: ignore[misc]  # bound at once
        position += len(batch)
        report.lines += len(batch)
        progress(min(size, int(size * _share(path, position + after, size))))
    database.write_now(lambda c: _finish(c, report, mark, now))
    progress(size)
    return report


def fingerprint(path: Path) -> str:
    """Of the content: SHA-256, 43 base64url characters."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return b64encode(whole.digest())


def add_person(connection: Connection, ring: Ring, person: Person, now: datetime) -> str:
    """One citizen; answers the citizen's id. A known number is brought up to date."""
    report = Report()
    _store(connection, ring, [person], report, now)
    index = ring.pseudonyms.blind_index(person.national_number)
    return people.by_number(connection, [index])[index].id


def person_of(ring: Ring, citizen: StoredCitizen) -> Person | None:
    """Unseal. None for a citizen who was forgotten."""
    if citizen.wrapped_key is None or citizen.person is None:
        return None
    raw = ring.sealer.open(citizen.person, wrapped=citizen.wrapped_key, table=TABLE, column=COLUMN, row=citizen.id)
    return register.decode(raw)


def _good(batch: Iterable[tuple[int, Person | BadLine]], report: Report) -> list[Person]:
    persons: dict[str, Person] = {}
    for number, found in batch:
        if isinstance(found, BadLine):
            _refuse(report, found)
        elif found.national_number in persons:
            _refuse(report, BadLine(number, "the national number stands here a second time"))
        else:
            persons[found.national_number] = found
    return list(persons.values())


def _refuse(report: Report, bad: BadLine) -> None:
    report.refused += 1
    if len(report.bad) < MAX_REPORTED:
        report.bad.append(bad)


def _take(
    connection: Connection, ring: Ring, persons: list[Person], report: Report, mark: str, line: int, now: datetime
) -> None:
    _store(connection, ring, persons, report, now)
    people.set_progress(connection, mark, line, now)


def _store(connection: Connection, ring: Ring, persons: list[Person], report: Report, now: datetime) -> None:
    indexes = [ring.pseudonyms.blind_index(person.national_number) for person in persons]
    known = people.by_number(connection, indexes)
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for index, person in zip(indexes, persons, strict=True):
        raw = register.encode(person)
        # Keyed: a plain digest of a person could be found by guessing.
        row_digest = b64encode(ring.pseudonyms.mac("register row", raw))
        old = known.get(index)
        if old is None:
            new.append(_new_row(ring, index, raw, row_digest, person.state, now))
        elif old.row_digest != row_digest and old.wrapped_key is not None:
            sealed = ring.sealer.seal(raw, wrapped=old.wrapped_key, table=TABLE, column=COLUMN, row=old.id)
            row = {"key": old.id, "person": sealed, "row_digest": row_digest, "state": person.state, "changed_at": now}
            changed.append(row)
        else:
            report.unchanged += 1
    people.add_citizens(connection, new)
    people.change_citizens(connection, changed)
    report.added += len(new)
    report.changed += len(changed)


def _new_row(ring: Ring, index: str, raw: bytes, row_digest: str, state: str, now: datetime) -> dict[str, Any]:
    citizen_id, wrapped = identifier(), ring.sealer.new_data_key()
    return {
        "id": citizen_id,
        "number_index": index,
        "wrapped_key": wrapped,
        "person": ring.sealer.seal(raw, wrapped=wrapped, table=TABLE, column=COLUMN, row=citizen_id),
        "row_digest": row_digest,
        "state": state,
        "changed_at": now,
    }


def _finish(connection: Connection, report: Report, mark: str, now: datetime) -> None:
    people.set_progress(connection, mark, 0, now)
    counts: dict[str, Any] = {"added": report.added, "changed": report.changed, "refused": report.refused}
    audit.record(connection, "citizen.imported", actor="operator", object=digest(mark), now=now, **counts)


def _share(path: Path, line: int, size: int) -> float:
    """About how far: lines of a register are of one length, more or less."""
    with path.open("rb") as file:
        sample = file.read(65_536)
    return min(1.0, line * (len(sample) / max(1, sample.count(b"\n"))) / size)
