"""Filling a house by COPY to a size that nobody clicks together: rows as the product writes them.

A citizen has three consents and, on average, four uses of each, as the provider's own releases at a login leave them (a
use and a permit that is taken). Every sixteenth has withdrawn all. Every consent has its bit in a status list. The rows
are made from the product's own leaves, salts and pseudonyms, and the tree grows by the product's own code with larger
checkpoints than the sequencer's: `regie ledger verify` finds nothing.

One citizen's uses lie far apart, as they do when they come over the years: each round goes through a block of citizens. Indexes are dropped while a step is filled
and built again, so they are denser than those of a house that grew.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256, shake_128
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, text
from sqlalchemy.schema import CreateIndex, DropIndex

from consent import questions, seals
from consent.catalogue import Catalogue
from consent.interface import PersonalDataUse, Question
from consent.ledger import leaf, tiles
from consent.ledger.checkpoint import Checkpoint
from consent.ledger.journal import Line
from consent.ledger.merkle import leaf_hash
from consent.store import ledger, notices, statuses, tables
from consent.store.ledger import Batch
from keys.digest import b64encode
from regie.house import House

GIVEN = (
    ("municipality", "housing-benefit", "address"),
    ("municipality", "housing-benefit", "income"),
    ("health-insurer", "health-insurance", "birth-date"),
)
"""Agency, purpose and category of what each citizen consented to."""
USED = (0, 0, 2)
"""Which of them are used in each round; what the tax authority holds is no release of the provider's."""
ROUNDS = 4
USES = ROUNDS * len(USED)
WITHDRAWN = 16
CITIZENS = 8192
"""In one transaction, and about three leaves each in one checkpoint."""
BLOCK = 16 * CITIZENS
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
NUMBERED = ("consent_event", "data_use", "pending_leaf")
_PURPOSE = {"municipality": "housing-benefit", "health-insurer": "health-insurance"}


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


class Filling:
    """`citizens`: how many there are so far."""

    def __init__(self, house: House) -> None:
        self.citizens = 0
        self._pseudonyms = house.ring.pseudonyms
        self._ledger = house.consent.ledger
        self._clock = house.clock
        options = "-csearch_path=consent -csynchronous_commit=off -cmaintenance_work_mem=1GB -ctimezone=UTC"
        self._engine = create_engine(house.settings.database_url, connect_args={"options": options})
        self._permit = timedelta(seconds=house.settings.permit_s)
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in FILLED}
        self._entries: list[bytes] = []
        self._tells: list[str] = []
        self._next: dict[str, int] = {}
        self._at = self._clock.now()
        self._pool, self._drawn_to = b"", 0
        self._list, self._taken = 0, bytearray(statuses.SIZE)
        self._notices: dict[str, tuple[Question, str]] = {}
        self._set("max_wal_size = '16GB'")
        house.databases["consent"].write_now(lambda c: self._show(c, house.consent.registry.snapshot(c)))

    def person(self, number: int) -> Person:
        handle = self._pseudonyms.handle(f"scale {number}")
        subs = {agency: self._pseudonyms.pairwise(handle, agency) for agency in _PURPOSE}
        seed = sha256(f"seed {number}".encode()).digest()
        drawn = shake_128(f"consents {number}".encode()).digest(16 * len(GIVEN))
        consents = tuple(_identifier(drawn[at : at + 16]) for at in range(0, len(drawn), 16))
        return Person(number, handle, seed, subs, consents)

    def fill(self, consents: int, told: Callable[[int, int], None]) -> None:
        """Up to so many consents, with their uses. `told`: how many are written so far, and in all."""
        first, self.citizens = self.citizens, -(-consents // len(GIVEN))
        self._set("autovacuum = off")
        with self._engine.begin() as connection:
            for statement in _indexes(drop=True):
                connection.execute(statement)
            for name in NUMBERED:
                self._next[name] = int(connection.scalar(text(f"select nextval('{_sequence(name)}')")) or 0)
        rows, done = (self.citizens - first) * (len(GIVEN) + USES), 0
        for start in range(first, self.citizens, BLOCK):
            block = [self.person(number) for number in range(start, min(start + BLOCK, self.citizens))]
            for write, each in ((self._consents, len(GIVEN)), *((self._uses, len(USED)),) * ROUNDS):
                for at in range(0, len(block), CITIZENS):
                    some = block[at : at + CITIZENS]
                    self._at = self._clock.now()
                    for person in some:
                        write(person)
                    self._flush()
                    done += len(some) * each
                    told(done, rows)
        with self._engine.begin() as connection:
            for name in NUMBERED:
                connection.execute(text(f"select setval('{_sequence(name)}', {self._next[name]})"))
            for statement in _indexes(drop=False):
                connection.execute(statement)
        self._settle()

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each table with its indexes."""
        with self._engine.connect() as connection:
            every = tables.metadata.tables
            found = {name: connection.scalar(text(f"select pg_total_relation_size('{name}')")) for name in every}
            return {name: int(size or 0) for name, size in found.items()}

    def backends_us(self) -> float:
        """Time on the processor of the database's processes that serve connections."""
        with self._engine.connect() as connection:
            serve = """
                select pid from pg_stat_activity where datname = current_database()
                and backend_type = 'client backend' and pid <> pg_backend_pid()
            """
            found = 0
            for pid in connection.scalars(text(serve)):
                found += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            return found / 1000

    def close(self) -> None:
        self._engine.dispose()

    # One citizen's rows

    def _consents(self, person: Person) -> None:
        rows = self._rows
        rows["citizen_seed"].append({"citizen": person.handle, "seed": person.seed})
        for agency, sub in person.subs.items():
            rows["subject"].append({"agency": agency, "sub": sub, "citizen": person.handle})
        for consent, (agency, purpose, category) in zip(person.consents, GIVEN, strict=True):
            question, notice = self._notices[agency]
            at = self._tick()
            facts = {
                "citizen": person.handle,
                "agency": agency,
                "purpose": purpose,
                "purpose_version": question.purpose_version,
                "category": category,
                "at": at,
                "expires_at": at + timedelta(seconds=question.duration_s),
                "once": False,
                "notice_hash": notice,
                "language": "nl",
            }
            row = {"id": consent, "state": "given", "current": True, "ended_at": None, "expiry_told": False, **facts}
            row["seq"] = self._event(person, consent, "given", facts)
            if person.has_withdrawn:
                row |= {"state": "withdrawn", "ended_at": self._tick()}
                self._event(person, consent, "withdrawn", {**facts, "at": row["ended_at"]})
                self._tells.append(f"ended {consent}")
            row |= dict(zip(("status_list", "status_idx"), self._place(consent), strict=True))
            rows["consent"].append({**row, "seal": seals.of_consent(self._pseudonyms, row)})

    def _event(self, person: Person, consent: str, kind: str, facts: Mapping[str, Any]) -> int:
        row = {"consent": consent, "type": kind, "channel": "page", **facts}
        seq = self._number("consent_event")
        leaf_columns = self._leaf("consent", row, person, facts["agency"])
        self._rows["consent_event"].append({"seq": seq, **row, **leaf_columns})
        return seq

    def _place(self, consent: str) -> tuple[int, int]:
        """As consent.store.statuses.place draws it."""
        for _ in range(statuses.TRIES):
            idx = secrets.randbelow(statuses.SIZE)
            if not self._taken[idx]:
                break
        else:
            self._list, self._taken = self._list + 1, bytearray(statuses.SIZE)
        self._taken[idx] = 1
        self._rows["consent_status"].append({"consent": consent, "list": self._list, "idx": idx})
        return self._list, idx

    def _uses(self, person: Person) -> None:
        for one in USED:
            agency, purpose, category = GIVEN[one]
            at, permit = self._tick(), _identifier(self._drawn())
            row = {
                "citizen": person.handle,
                "recipient": agency,
                "source": "population-register",
                "purpose": purpose,
                "purpose_version": self._notices[agency][0].purpose_version,
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
            self._rows["data_use"].append(row)
            issued = {name: row[name] for name in ("citizen", "recipient", "source", "purpose", "categories")}
            issued |= {"id": permit, "consents": f'["{person.consents[one]}"]', "outcome": None, "seal": seals.NO_SEAL}
            issued |= {"issued_at": at, "expires_at": at + self._permit, "redeemed_at": at, "closed_at": at}
            self._rows["permit"].append(issued)

    def _leaf(self, kind: str, row: Mapping[str, Any], person: Person, agency: str) -> dict[str, Any]:
        nonce = self._drawn()
        # Each began with us, as what a citizen does on our pages.
        traced = {"trace_id": self._drawn(), "span_id": self._drawn()[:8], "parent_span_id": None}
        content = leaf.content(kind, {**row, **traced}, person.subs[agency])
        entry = leaf.commitment(self._pseudonyms.salt(person.seed, nonce), content)
        self._entries.append(entry)
        hashed = b64encode(leaf_hash(entry))
        return {"nonce": nonce, "leaf": hashed, "leaf_seq": self._number("pending_leaf"), **traced}

    def _drawn(self) -> bytes:
        """16 random bytes: asked of the system by the thousand, since each time costs more than a row."""
        if self._drawn_to == len(self._pool):
            self._pool, self._drawn_to = os.urandom(2**16), 0
        self._drawn_to += 16
        return self._pool[self._drawn_to - 16 : self._drawn_to]

    def _number(self, name: str) -> int:
        self._next[name] += 1
        return self._next[name]

    def _tick(self) -> datetime:
        self._at += timedelta(microseconds=1)
        return self._at

    # Many rows

    def _flush(self) -> None:
        with self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            for name, rows in self._rows.items():
                columns = [column.name for column in FILLED[name].columns]
                if rows:
                    with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row([row[column] for column in columns])
                rows.clear()
            line = self._grow(connection)
        self._ledger.journal.append(line)
        with self._engine.begin() as connection:
            ledger.publish(connection, line.checkpoint.size, line.note)

    def _grow(self, connection: Connection) -> Line:
        """As consent.ledger.sequencer stages what it takes out of the queue."""
        head = ledger.head(connection, lock=True)
        assert head is not None
        edge = ledger.tiles(connection, tiles.edge(head.size))
        growth = tiles.grow(head.size, self._entries, lambda level, n: edge[level, n])
        note = self._ledger.keys.sign(head.origin, Checkpoint(head.origin, growth.size, growth.root).text)
        ledger.put_tiles(connection, growth.tiles)
        last = self._next["pending_leaf"]
        span = (last - len(self._entries) + 1, last)
        ledger.add_batch(connection, Batch(head.size, growth.size, *span, self._clock.now()))
        ledger.swap(connection, head, size=growth.size, root=growth.root, note=note, tells=self._tells)
        line = Line(note, head.size, b"".join(self._entries), self._tells)
        self._entries, self._tells = [], []
        return line

    def _show(self, connection: Any, catalogue: Catalogue) -> None:
        """The notices that everybody saw."""
        for agency, purpose in _PURPOSE.items():
            question = questions.first(
                connection,
                catalogue,
                [PersonalDataUse(purpose)],
                citizen=self._pseudonyms.handle("scale"),
                agency=agency,
                answered=(),
                anew=False,
                pseudonyms=self._pseudonyms,
                now=self._at,
            )
            assert question is not None
            self._notices[agency] = question, question.notice_hash("nl")
            notices.keep(connection, question.notice_hash("nl"), question.notice_bytes("nl"))

    def _settle(self) -> None:
        """What autovacuum does in a house that lives: what is measured next is not the cleaning up."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
            connection.execute(text("checkpoint"))
        self._set("autovacuum = on")

    def _set(self, *settings: str) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for one in settings:
                connection.execute(text(f"alter system set {one}"))
            connection.execute(text("select pg_reload_conf()"))


def _identifier(drawn: bytes) -> str:
    """As base.ids.identifier makes it, of 16 bytes."""
    made = b64encode(drawn)
    return f"_{made[1:]}" if made.startswith("-") else made


def _sequence(name: str) -> str:
    return f"{name}_seq_seq"


def _indexes(*, drop: bool) -> Iterator[Any]:
    """Statements for all indexes of what is filled."""
    table: Table
    for table in FILLED.values():
        columns = ", ".join(column.name for column in table.primary_key.columns)
        change = "DROP CONSTRAINT" if drop else "ADD CONSTRAINT"
        key = "" if drop else f" PRIMARY KEY ({columns})"
        yield text(f"ALTER TABLE {table.name} {change} {table.primary_key.name}{key}")
        for index in sorted(table.indexes, key=lambda one: one.name or ""):
            yield (DropIndex if drop else CreateIndex)(index)
