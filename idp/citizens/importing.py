"""Taking in a register extract: in batches, resumable, idempotent; a bad line is reported and all others go in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from base import audit
from base.database import Connection, Database
from base.ids import digest, identifier
from idp import ending
from idp.authenticators.levels import USUAL_PROOFING
from idp.citizens import register
from idp.citizens.national_number import NumberSet
from idp.citizens.register import MAY_LOG_IN, BadLine, Line, Person
from idp.store import custody, people
from idp.store.custody import Custody
from idp.store.people import StoredCitizen
from keys.digest import b64encode
from keys.ring import Ring

BATCH = 500
MAX_REPORTED = 1000
"""Bad lines that are listed; all are counted."""
TABLE, COLUMN = "citizen", "person"


class Counts(NamedTuple):
    """What one unit of work did. Its own, since a database may run a unit a second time."""

    added: int
    changed: int
    unchanged: int


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

    def count(self, done: Counts) -> None:
        self.added += done.added
        self.changed += done.changed
        self.unchanged += done.unchanged


def import_file(
    database: Database, ring: Ring, path: Path, *, now: datetime, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Import `path`. `progress` is told the bytes read so far. NotARegister.

    Where it stopped is kept by the file's fingerprint, in the same commit as the batch: a second run of the same file
    goes on there, and a run of a finished file starts again and finds everything unchanged. Every line is read again,
    so that the report tells each bad line and a number that comes back is known, however often the run was broken off.
    """
    size = max(path.stat().st_size, 1)
    mark = fingerprint(path)
    after = database.read_now(lambda c: people.progress(c, mark))
    report = Report(resumed_after=after)
    seen = NumberSet()
    lines = register.read(path)
    while batch := list(islice(lines, BATCH)):
        last, position, _ = batch[-1]
        persons = _good(batch, report, seen, after)
        if last > after:
            counts = database.write_now(lambda c, p=persons, n=last: _take(c, ring, p, mark, n, now))  # type: ignore[misc]  # bound at once
            report.count(counts)
        report.lines += len(batch)
        progress(min(size, position))
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
    _store(connection, ring, [person], now)
    index = ring.pseudonyms.blind_index(person.national_number)
    return people.by_number(connection, [index])[index].id


def by_number(connection: Connection, ring: Ring, national_number: str) -> StoredCitizen | None:
    """The citizen of a number, found through the keyed index alone."""
    index = ring.pseudonyms.blind_index(national_number)
    return people.by_number(connection, [index]).get(index)


def person_of(ring: Ring, citizen: StoredCitizen) -> Person | None:
    """Unseal. None for a citizen who was forgotten."""
    if citizen.wrapped_key is None or citizen.person is None:
        return None
    raw = ring.sealer.open(citizen.person, wrapped=citizen.wrapped_key, table=TABLE, column=COLUMN, row=citizen.id)
    return register.decode(raw)


def _good(batch: Iterable[Line], report: Report, seen: NumberSet, after: int) -> list[Person]:
    """The persons of a batch that are not in yet; what is wrong goes into the report."""
    persons = []
    for number, _, found in batch:
        if isinstance(found, BadLine):
            _refuse(report, found)
        elif not seen.add(found.national_number):
            _refuse(report, BadLine(number, "the national number stands in this file a second time"))
        elif number > after:
            persons.append(found)
    return persons


def _refuse(report: Report, bad: BadLine) -> None:
    report.refused += 1
    if len(report.bad) < MAX_REPORTED:
        report.bad.append(bad)


def _take(connection: Connection, ring: Ring, persons: list[Person], mark: str, line: int, now: datetime) -> Counts:
    counts = _store(connection, ring, persons, now)
    people.set_progress(connection, mark, line, now)
    return counts


def _store(connection: Connection, ring: Ring, persons: list[Person], now: datetime) -> Counts:
    indexes = [ring.pseudonyms.blind_index(person.national_number) for person in persons]
    known = people.by_number(connection, indexes)
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    left: list[str] = []
    custodies: dict[str, list[Custody]] = {}
    for index, person in zip(indexes, persons, strict=True):
        raw = register.encode(person)
        # Keyed: a plain digest of a person could be found by guessing.
        row_digest = b64encode(ring.pseudonyms.mac("register row", raw))
        old = known.get(index)
        if old is None:
            row = _new_row(ring, index, row_digest, person, now)
            new.append(row)
            custodies |= _guardians(ring, row["id"], person)
        elif old.row_digest != row_digest and old.wrapped_key is not None:
            sealed = ring.sealer.seal(
                register.to_seal(person), wrapped=old.wrapped_key, table=TABLE, column=COLUMN, row=old.id
            )
            row = {"key": old.id, "person": sealed, "row_digest": row_digest, "state": person.state, "changed_at": now}
            changed.append({**row, "proofing": person.proofing or old.proofing})
            custodies |= _guardians(ring, old.id, person)
            if old.state in MAY_LOG_IN and person.state not in MAY_LOG_IN:
                left.append(old.id)
    people.add_citizens(connection, new)
    people.change_citizens(connection, changed)
    custody.replace(connection, custodies)
    for citizen_id in left:
        ending.end_all(connection, ring, citizen_id, now, actor="register")
    return Counts(len(new), len(changed), len(persons) - len(new) - len(changed))


def _guardians(ring: Ring, citizen_id: str, person: Person) -> dict[str, list[Custody]]:
    """By child: who has custody, by the index of a number, since a guardian may come in a later line. Empty: not said."""
    if person.guardians is None:
        return {}
    indexes = [ring.pseudonyms.blind_index(one) for one in dict.fromkeys(person.guardians)]
    return {citizen_id: [Custody(citizen_id, one, seal_of(ring, citizen_id, one)) for one in indexes]}


def seal_of(ring: Ring, child_id: str, guardian: str) -> bytes:
    """Of a row that says that somebody has custody of a child; `guardian`: the index of his number."""
    return ring.pseudonyms.mac("custody", f"{child_id} {guardian}".encode())[:16]


def _new_row(ring: Ring, index: str, row_digest: str, person: Person, now: datetime) -> dict[str, Any]:
    citizen_id, wrapped = identifier(), ring.sealer.new_data_key()
    return {
        "id": citizen_id,
        "number_index": index,
        "wrapped_key": wrapped,
        "person": ring.sealer.seal(
            register.to_seal(person), wrapped=wrapped, table=TABLE, column=COLUMN, row=citizen_id
        ),
        "row_digest": row_digest,
        "state": person.state,
        "proofing": person.proofing or USUAL_PROOFING,
        "changed_at": now,
    }


def _finish(connection: Connection, report: Report, mark: str, now: datetime) -> None:
    people.set_progress(connection, mark, 0, now)
    counts: dict[str, Any] = {"added": report.added, "changed": report.changed, "refused": report.refused}
    audit.record(connection, "citizen.imported", actor="operator", object=digest(mark), now=now, **counts)
