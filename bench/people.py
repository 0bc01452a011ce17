"""The rows of people who consented and whose data was used, as the product writes them: made by processes of their own.

They come out as text for COPY, with the entries of the tree beside them. Who is asked for the same numbers again gives
the same pseudonyms and consents.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256, shake_128
from typing import Any

from consent import seals
from consent.ledger import leaf
from consent.ledger.merkle import leaf_hash
from consent.store import tables
from keys.derive import Pseudonyms
from keys.digest import b64encode

GIVEN = (
    ("municipality", "housing-benefit", "address"),
    ("municipality", "housing-benefit", "income"),
    ("health-insurer", "health-insurance", "birth-date"),
)
"""Agency, purpose and category of what each citizen consented to."""
SOURCE = "population-register"
"""Where all of it is taken from; who is used there is known there."""
AGENCIES = (*dict.fromkeys(agency for agency, _, _ in GIVEN), SOURCE)
USED = (0, 0, 2)
"""Which of them are used in each round; what the tax authority holds is no release of the provider's."""
WITHDRAWN = 16
FILLED = {
    one.name: one
    for one in (
        tables.subject,
        tables.citizen_seed,
        tables.consent_event,
        tables.consent,
        tables.consent_status,
        tables.data_use,
        tables.permit,
    )
}
COLUMNS = {name: tuple(column.name for column in table.columns) for name, table in FILLED.items()}
NUMBERED = ("consent_event", "consent_status", "data_use", "pending_leaf")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Person:
    """The citizen of one number, made again from it whenever he is needed."""

    number: int
    handle: str
    seed: bytes
    subs: Mapping[str, str]
    consents: tuple[str, ...]

    @property
    def has_withdrawn(self) -> bool:
        return self.number % WITHDRAWN == 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is the same for everybody. `nobodys`: the seed of what is no citizen's. `questions`: by agency the purpose's version, how long it lasts, the notice."""

    pseudonyms: bytes
    nobodys: bytes
    permit: timedelta
    questions: Mapping[str, tuple[int, timedelta, str]]


@dataclass(frozen=True, slots=True)
class Work:
    """The people of so many numbers, from a moment on. `last`: the numbers given out before, by name in `NUMBERED`.

    `places`: in the status lists, one for each consent; empty when it is a round of uses that is to be made.
    """

    people: range
    at: datetime
    last: Mapping[str, int]
    places: Sequence[tuple[int, int]] = ()

    @property
    def numbers(self) -> dict[str, int]:
        """What it takes of the numbers."""
        if not self.places:
            uses = len(self.people) * len(USED)
            return {"consent_event": 0, "consent_status": 0, "data_use": uses, "pending_leaf": uses}
        ends = sum(1 for number in self.people if number % WITHDRAWN == 0)
        events = (len(self.people) + ends) * len(GIVEN)
        places = len(self.places)
        return {"consent_event": events, "consent_status": places, "data_use": 0, "pending_leaf": events + places}


@dataclass(frozen=True, slots=True)
class Made:
    """`copies`: text for COPY, by table, of its columns in `COLUMNS`."""

    copies: Mapping[str, bytes]
    entries: list[bytes]
    tells: list[str]


def person(pseudonyms: Pseudonyms, number: int) -> Person:
    handle = pseudonyms.handle(f"scale {number}")
    subs = {agency: pseudonyms.pairwise(handle, agency) for agency in AGENCIES}
    seed = sha256(f"seed {number}".encode()).digest()
    drawn = shake_128(f"consents {number}".encode()).digest(16 * len(GIVEN))
    consents = tuple(_identifier(drawn[at : at + 16]) for at in range(0, len(drawn), 16))
    return Person(number, handle, seed, subs, consents)


_known: Known


def learn(known: Known) -> None:
    """In the process that makes them, before the first."""
    global _known  # noqa: PLW0603 - how a process of a pool is told something once
    _known = known


def make(work: Work) -> Made:
    maker = _Maker(_known, work)
    write = maker.consents if work.places else maker.uses
    for number in work.people:
        write(person(maker.pseudonyms, number))
    copies = {name: "".join(lines).encode() for name, lines in maker.lines.items() if lines}
    return Made(copies, maker.entries, maker.tells)


class _Maker:
    def __init__(self, known: Known, work: Work) -> None:
        self.pseudonyms = Pseudonyms(known.pseudonyms)
        self.lines: dict[str, list[str]] = {name: [] for name in FILLED}
        self.entries: list[bytes] = []
        self.tells: list[str] = []
        self._known = known
        self._at = work.at
        self._last = dict(work.last)
        self._places = iter(work.places)
        self._pool, self._drawn_to = b"", 0

    def consents(self, person: Person) -> None:
        self._add("citizen_seed", {"citizen": person.handle, "seed": person.seed})
        for agency, sub in person.subs.items():
            self._add("subject", {"agency": agency, "sub": sub, "citizen": person.handle})
        for consent, (agency, purpose, category) in zip(person.consents, GIVEN, strict=True):
            version, lasts, notice = self._known.questions[agency]
            at = self._tick()
            facts = {
                "citizen": person.handle,
                "agency": agency,
                "purpose": purpose,
                "purpose_version": version,
                "category": category,
                "at": at,
                "expires_at": at + lasts,
                "once": False,
                "notice_hash": notice,
                "language": "nl",
            }
            row = {"id": consent, "state": "given", "current": True, "ended_at": None, "expiry_told": False, **facts}
            row["seq"] = self._event(person, consent, "given", facts)
            if person.has_withdrawn:
                row |= {"state": "withdrawn", "ended_at": self._tick()}
                self._event(person, consent, "withdrawn", {**facts, "at": row["ended_at"]})
                self.tells.append(f"ended {consent}")
            row["status_list"], row["status_idx"] = place = next(self._places)
            self._place(consent, place)
            self._add("consent", {**row, "seal": seals.of_consent(self.pseudonyms, row)})

    def uses(self, person: Person) -> None:
        for one in USED:
            agency, purpose, category = GIVEN[one]
            at, permit = self._tick(), _identifier(self._drawn())
            row = {
                "citizen": person.handle,
                "recipient": agency,
                "source": SOURCE,
                "purpose": purpose,
                "purpose_version": self._known.questions[agency][0],
                "categories": [category],
                "use_kind": "release",
                "legal_basis": "consent",
                "decision": "allowed",
                "reason": "consent",
                "at": at,
                "permit": permit,
            }
            row |= {"seq": self._number("data_use"), **self._leaf("use", row, person, agency)}
            row["categories"] = f'["{category}"]'
            self._add("data_use", row)
            issued = {name: row[name] for name in ("citizen", "recipient", "source", "purpose", "categories")}
            issued |= {"id": permit, "consents": f'["{person.consents[one]}"]', "outcome": None, "seal": seals.NO_SEAL}
            issued |= {"issued_at": at, "expires_at": at + self._known.permit, "redeemed_at": at, "closed_at": at}
            self._add("permit", issued)

    def _event(self, person: Person, consent: str, kind: str, facts: Mapping[str, Any]) -> int:
        row = {"consent": consent, "type": kind, "channel": "page", **facts}
        row |= {"acting": "self", "who": "", "guardian": ""}
        seq = self._number("consent_event")
        leaf_columns = self._leaf("consent", row, person, facts["agency"])
        self._add("consent_event", {"seq": seq, **row, **leaf_columns})
        return seq

    def _place(self, consent: str, place: tuple[int, int]) -> None:
        row = {"consent": consent, "list": place[0], "idx": place[1], "at": self._tick()}
        self._add(
            "consent_status",
            {"seq": self._number("consent_status"), **row, **self._commit("place", row, self._known.nobodys)},
        )
        self.tells.append(f"placed {consent} {place[0]} {place[1]}")

    def _leaf(self, kind: str, row: Mapping[str, Any], person: Person, agency: str) -> dict[str, Any]:
        # Each began with us, as what a citizen does on our pages.
        traced = {"trace_id": self._drawn(), "span_id": self._drawn()[:8], "parent_span_id": None}
        return {**self._commit(kind, {**row, **traced}, person.seed, person.subs[agency]), **traced}

    def _commit(self, kind: str, row: Mapping[str, Any], seed: bytes, sub: str = "") -> dict[str, Any]:
        nonce = self._drawn()
        entry = leaf.commitment(self.pseudonyms.salt(seed, nonce), leaf.content(kind, row, sub))
        self.entries.append(entry)
        hashed = b64encode(leaf_hash(entry))
        return {"nonce": nonce, "leaf": hashed, "leaf_seq": self._number("pending_leaf")}

    def _add(self, table: str, row: Mapping[str, Any]) -> None:
        fields = [_TEXT[type(value)](value) for value in map(row.__getitem__, COLUMNS[table])]
        self.lines[table].append("\t".join(fields) + "\n")

    def _drawn(self) -> bytes:
        """16 random bytes: asked of the system by the thousand, since each time costs more than a row."""
        if self._drawn_to == len(self._pool):
            self._pool, self._drawn_to = os.urandom(2**16), 0
        self._drawn_to += 16
        return self._pool[self._drawn_to - 16 : self._drawn_to]

    def _number(self, name: str) -> int:
        self._last[name] += 1
        return self._last[name]

    def _tick(self) -> datetime:
        self._at += _TICK
        return self._at


_TEXT: Mapping[type, Callable[[Any], str]] = {
    # Words, base64url and JSON without a backslash: COPY takes them as they are.
    str: str,
    int: str,
    bool: "ft".__getitem__,
    bytes: lambda value: "\\\\x" + value.hex(),
    datetime: str,
    type(None): lambda _: "\\N",
}


def _identifier(drawn: bytes) -> str:
    """As base.ids.identifier makes it, of 16 bytes."""
    made = b64encode(drawn)
    return f"_{made[1:]}" if made.startswith("-") else made
