"""Reading an extract of a population register: CSV with a header, or JSON lines.

A line is one person. Birth dates may be partial, as registers have them: 1954-00-00 is "some day in 1954".
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from idp.citizens.national_number import is_valid

STATES = ("active", "emigrated", "deceased", "suspended")
MAY_LOG_IN = ("active", "emigrated")
PROOFINGS = ("", "low", "substantial", "high")
MAX_LINE = 10_000
MOST_GUARDIANS = 10
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
_NATIONALITY = re.compile(r"[A-Z]{3}\Z")
_LENGTHS = {"given_names": 200, "prefix": 20, "family_name": 200, "birth_place": 80, "state": 20}
_ADDRESS = ("street", "house_number", "postal_code", "city", "country")


class Address(msgspec.Struct, forbid_unknown_fields=True):
    street: str = ""
    house_number: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = "NL"


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """One citizen as the register has him. `parents`: names. `nationality`: ISO 3166-1 alpha-3.

    `proofing`: how well his identity was proven (low, substantial, high); empty where the register does not say.
    `guardians`: national numbers of who has custody of him; None where the register does not say.
    """

    national_number: str
    given_names: str
    family_name: str
    birth_date: str
    prefix: str = ""
    birth_place: str = ""
    address: Address = msgspec.field(default_factory=Address)
    nationality: str = "NLD"
    parents: list[str] = []
    state: str = "active"
    proofing: str = ""
    guardians: list[str] | None = None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.given_names, self.prefix, self.family_name) if part)

    def has_reached(self, years: int, today: date) -> bool:
        """Whether he is that old. Of an unknown birthday (00) the latest counts; who was born on 29 February waits a day."""
        year, month, day = (int(part) for part in self.birth_date.split("-"))
        return (year + years, month or 12, day or 31) <= (today.year, today.month, today.day)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not taken: its number in the file, from 1, and why. Never what stands in it."""

    line: int
    reason: str


COLUMNS = (
    "national_number", "given_names", "prefix", "family_name", "birth_date", "birth_place", "street", "house_number",
    "postal_code", "city", "country", "nationality", "parents", "state", "proofing", "guardians",
)  # fmt: skip
"""Columns of the CSV form, in any order; `parents` are separated by ";", `guardians` by spaces."""


class NotARegister(Exception):
    """The file as a whole cannot be read; the message says why."""


Line = tuple[int, int, Person | BadLine]
"""Its number, from 1; the bytes of the file read so far; the person, or why not."""


def read(path: Path) -> Iterator[Line]:
    """Every line that is not empty. NotARegister."""
    with path.open("rb") as file:
        # Some programs begin every file with a byte order mark.
        if file.peek(3)[:3] == BOM_UTF8:
            file.read(3)
        start = file.peek(1)[:1]
        if not start:
            raise NotARegister("the file is empty")
        lines = _bounded(file)
        found = _json_lines(lines) if start == b"{" else _csv_lines(lines)
        for number, person in found:
            yield number, file.tell(), person


def encode(person: Person) -> bytes:
    """All of it, which is what the row's digest is of."""
    return msgspec.json.encode(person)


def to_seal(person: Person) -> bytes:
    """What is kept of him: whose child he is stands elsewhere, as keyed indexes alone (idp.store.custody)."""
    return encode(msgspec.structs.replace(person, guardians=None))


def decode(raw: bytes) -> Person:
    return msgspec.json.decode(raw, type=Person)


def problem(person: Person) -> str | None:
    """Why this person cannot be taken in, or None."""
    if not is_valid(person.national_number):
        return "the national number fails the eleven-proof check"
    if not person.given_names.strip() and not person.family_name.strip():
        return "there is no name"
    for name, most in _LENGTHS.items():
        if len(getattr(person, name)) > most:
            return f"{name} is longer than {most} characters"
    texts = (person.given_names, person.prefix, person.family_name, person.birth_place, *person.parents)
    if not all(text.isprintable() for text in (*texts, *(getattr(person.address, name) for name in _ADDRESS))):
        return "a text holds characters that cannot be printed"
    if not _is_date(person.birth_date):
        return "birth_date is not a date (YYYY-MM-DD; 00 for an unknown month or day)"
    if not _NATIONALITY.match(person.nationality):
        return "nationality is not a code of three letters"
    if person.state not in STATES:
        return f"state is not one of {', '.join(STATES)}"
    if person.proofing not in PROOFINGS:
        return f"proofing is not one of {', '.join(PROOFINGS[1:])}"
    return _problem_of_guardians(person.national_number, person.guardians or [])


def _problem_of_guardians(own: str, guardians: Sequence[str]) -> str | None:
    if len(guardians) > MOST_GUARDIANS or not all(is_valid(one) for one in guardians):
        return f"guardians are not up to {MOST_GUARDIANS} national numbers"
    if own in guardians:
        return "nobody is his own guardian"
    return None


def _is_date(text: str) -> bool:
    match = _DATE.match(text)
    if match is None:
        return False
    year, month, day = (int(part) for part in match.groups())
    if month == 0:
        return day == 0
    last = (
        31
        if month not in (2, 4, 6, 9, 11)
        else 30
        if month != 2
        else 29 - bool(year % 4 or (not year % 100 and year % 400))
    )
    return month <= 12 and day <= last


def _json_lines(lines: Iterator[bytes]) -> Iterator[tuple[int, Person | BadLine]]:
    decoder = msgspec.json.Decoder(Person)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            yield number, BadLine(number, "the line is too long")
            continue
        try:
            person = decoder.decode(line)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
            yield number, BadLine(number, "the line is not JSON with the members of a person")
            continue
        yield number, _checked(number, person)


def _csv_lines(lines: Iterator[bytes]) -> Iterator[tuple[int, Person | BadLine]]:
    try:
        header = next(csv.reader(io.StringIO(next(lines).decode())), [])
    except UnicodeDecodeError:
        raise NotARegister("the file is not UTF-8") from None
    except csv.Error:
        header = []
    missing = sorted({"national_number", "given_names", "family_name", "birth_date"} - set(header))
    if missing or len(set(header)) != len(header) or set(header) - set(COLUMNS):
        raise NotARegister(
            f"the first line must name columns of {', '.join(COLUMNS)}, separated by commas; or each line is a JSON object"
        )
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        yield number, _csv_person(number, line, header)


def _csv_person(number: int, line: bytes, header: list[str]) -> Person | BadLine:
    if len(line) > MAX_LINE:
        return BadLine(number, "the line is too long")
    try:
        fields = next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return BadLine(number, "the line is not UTF-8, or its quotes do not close")
    if len(fields) != len(header):
        return BadLine(number, f"the line has {len(fields)} fields, the first line {len(header)}")
    row = dict(zip(header, fields, strict=True))
    address = Address(**{name: row.pop(name) for name in _ADDRESS if name in row})
    parents = [name for name in row.pop("parents", "").split(";") if name]
    guardians = row.pop("guardians").split() if "guardians" in row else None
    return _checked(number, Person(address=address, parents=parents, guardians=guardians, **row))


def _checked(number: int, person: Person) -> Person | BadLine:
    reason = problem(person)
    return person if reason is None else BadLine(number, reason)


def _bounded(file: Any) -> Iterator[bytes]:
    """Lines, where one without an end cannot fill the memory: what is too long comes cut, and its rest is skipped."""
    while line := file.readline(MAX_LINE + 1):
        cut = line
        while line and not line.endswith(b"\n") and len(line) > MAX_LINE:
            line = file.readline(MAX_LINE + 1)
        yield cut
