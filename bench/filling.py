"""Filling a house by COPY to a size that nobody clicks together: rows as the product writes them.

A citizen has three consents and, on average, four uses of each, as the provider's own releases at a login leave them (a
use and a permit that is taken). Every sixteenth has withdrawn all. Every consent has its bit in a status list. The rows
are made from the product's own leaves, salts and pseudonyms (bench.people), and the tree grows by the product's own code
with larger checkpoints than the sequencer's: `regie ledger verify` finds nothing.

One citizen's uses lie far apart, as they do when they come over the years: each round goes through a block of citizens.
Indexes are dropped while a step is filled and built again, so they are denser than those of a house that grew.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, text
from sqlalchemy.schema import CreateIndex, DropIndex

from bench import people
from bench.people import COLUMNS, FILLED, GIVEN, NUMBERED, USED, Known, Made, Person, Work
from consent import questions
from consent.catalogue import Catalogue
from consent.interface import PersonalDataUse
from consent.ledger import tiles
from consent.ledger.checkpoint import Checkpoint
from consent.ledger.journal import Line
from consent.store import ledger, notices, seeds, statuses, tables
from consent.store.ledger import Batch
from regie.house import House

ROUNDS = 4
USES = ROUNDS * len(USED)
CITIZENS = 8192
"""In one transaction, and about three leaves each in one checkpoint."""
BLOCK = 16 * CITIZENS
MAKERS = os.cpu_count() or 1
"""Processes that make rows: writing them costs a third of that."""
_READ = """
    select count(subject.citizen), count(citizen_seed.seed), count(consent.seal), max((
        select max(seq) from consent_event e where e.citizen = consent.citizen
        and e.agency = consent.agency and e.purpose = consent.purpose and e.category = consent.category
    ))
    from subject left join citizen_seed on citizen_seed.citizen = subject.citizen
    left join consent on consent.citizen = subject.citizen and consent.agency = subject.agency and consent.current
    where subject.agency = :agency and subject.sub > ''
"""
_PURPOSE = {agency: purpose for agency, purpose, _ in GIVEN}


class Filling:
    """`citizens`: how many there are so far."""

    def __init__(self, house: House) -> None:
        self.citizens = 0
        self._pseudonyms = house.ring.pseudonyms
        self._ledger = house.consent.ledger
        self._clock = house.clock
        options = "-csearch_path=consent -csynchronous_commit=off -cmaintenance_work_mem=1GB -ctimezone=UTC"
        self._engine = create_engine(house.settings.database_url, connect_args={"options": options})
        self._next: dict[str, int] = {}
        self._at = self._clock.now()
        self._list, self._taken = 0, bytearray(statuses.SIZE)
        asked = house.databases["consent"].write_now(lambda c: self._show(c, house.consent.registry.snapshot(c)))
        secret = house.ring.pseudonyms._secret  # noqa: SLF001 - the processes that make the rows have no house
        nobodys = house.databases["consent"].write_now(lambda c: seeds.of(c, ""))
        known = Known(secret, nobodys, timedelta(seconds=house.settings.permit_s), asked)
        self._makers = ProcessPoolExecutor(MAKERS, multiprocessing.get_context("spawn"), people.learn, (known,))

    def person(self, number: int) -> Person:
        return people.person(self._pseudonyms, number)

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
        for work, made in self._made(first):
            self._write(work, made.result())
            done += len(work.people) * len(GIVEN if work.places else USED)
            told(done, rows)
        with self._engine.begin() as connection:
            for name in NUMBERED:
                connection.execute(text(f"select setval('{_sequence(name)}', {self._next[name]})"))
            for statement in _indexes(drop=False):
                connection.execute(statement)
        self._settle()

    def warm(self) -> None:
        """What a check and a permit read of each citizen, read once: a house that lives has it in its buffers."""
        with self._engine.begin() as connection:
            for plan in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", "memoize"):
                connection.execute(text(f"set local enable_{plan} = off"))
            for agency in people.AGENCIES:
                connection.execute(text(_READ), {"agency": agency})

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
        self._makers.shutdown()
        self._engine.dispose()

    # What is made, in the order in which it is written

    def _made(self, first: int) -> Iterator[tuple[Work, Future[Made]]]:
        begun: deque[tuple[Work, Future[Made]]] = deque()
        for work in self._works(first):
            begun.append((work, self._makers.submit(people.make, work)))
            if len(begun) > MAKERS:
                yield begun.popleft()
        yield from begun

    def _works(self, first: int) -> Iterator[Work]:
        for start in range(first, self.citizens, BLOCK):
            block = range(start, min(start + BLOCK, self.citizens))
            for uses in (False, *(True,) * ROUNDS):
                for at in range(0, len(block), CITIZENS):
                    yield self._work(block[at : at + CITIZENS], uses=uses)

    def _work(self, some: range, *, uses: bool) -> Work:
        self._at = max(self._at, self._clock.now())
        places = [] if uses else [self._place() for _ in range(len(some) * len(GIVEN))]
        work = Work(some, self._at, dict(self._next), places)
        for name, number in work.numbers.items():
            self._next[name] += number
        self._at += timedelta(microseconds=work.numbers["pending_leaf"])
        return work

    def _place(self) -> tuple[int, int]:
        """As consent.offline.places draws it."""
        for _ in range(statuses.TRIES):
            idx = secrets.randbelow(statuses.SIZE)
            if not self._taken[idx]:
                break
        else:
            self._list, self._taken = self._list + 1, bytearray(statuses.SIZE)
        self._taken[idx] = 1
        return self._list, idx

    # Writing it

    def _write(self, work: Work, made: Made) -> None:
        with self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            for name, lines in made.copies.items():
                with cursor.copy(f"COPY {name} ({', '.join(COLUMNS[name])}) FROM STDIN") as copy:
                    copy.write(lines)
            line = self._grow(connection, work, made)
        self._ledger.journal.append(line)
        with self._engine.begin() as connection:
            ledger.publish(connection, line.checkpoint.size, line.note)

    def _grow(self, connection: Connection, work: Work, made: Made) -> Line:
        """As consent.ledger.sequencer stages what it takes out of the queue."""
        head = ledger.head(connection, lock=True)
        assert head is not None
        edge = ledger.tiles(connection, tiles.edge(head.size))
        growth = tiles.grow(head.size, made.entries, lambda level, n: edge[level, n])
        note = self._ledger.keys.sign(head.origin, Checkpoint(head.origin, growth.size, growth.root).text)
        ledger.put_tiles(connection, growth.tiles)
        before = work.last["pending_leaf"]
        span = (before + 1, before + len(made.entries))
        ledger.add_batch(connection, Batch(head.size, growth.size, *span, self._clock.now()))
        ledger.swap(connection, head, size=growth.size, root=growth.root, note=note, tells=made.tells)
        return Line(note, head.size, b"".join(made.entries), made.tells)

    def _show(self, connection: Any, catalogue: Catalogue) -> dict[str, tuple[int, timedelta, str]]:
        """The notices that everybody saw, by agency."""
        shown = {}
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
            notice = question.notice_hash("nl")
            shown[agency] = question.purpose_version, timedelta(seconds=question.duration_s), notice
            notices.keep(connection, notice, question.notice_bytes("nl"))
        return shown

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
