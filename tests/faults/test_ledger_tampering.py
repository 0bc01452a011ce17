"""A thousand tampers with the register, the ledger and what lies beside it: edited, dropped, inserted, reordered,
truncated, forked, back-dated. All are found, by `regie ledger verify` or by a citizen who holds receipts.

Two kinds of hands: one that has the database alone, with every trigger out of the way, and one that has the program and
its keys too, writes what is valid, and signs it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import Connection, text
from sqlalchemy import inspect as look
from sqlalchemy.exc import DBAPIError

from consent import forgetting
from consent.ledger import append, merkle, tiles
from consent.ledger.checkpoint import Checkpoint, parse
from consent.ledger.inspect import inspect
from consent.offline import places
from consent.store import ledger as store
from keys.digest import b64encode
from keys.notes import split
from tests.consent.ledger.test_inspect import lived
from tests.consent.ledger.test_leaf import everything

if TYPE_CHECKING:
    from consent.ledger.verify import Finding
    from tests.fixtures.registry import World

T = TypeVar("T")
TAMPERS = {"sqlite": 1000, "postgresql": 100}
EVENTS = ("consent_event", "data_use", "redemption", "use_report", "lookup", "act", "consent_status")
PROJECTIONS = ("consent", "permit", "agency", "data_category", "purpose", "notice", "subject", "forgotten_status")
AUDITED = (*EVENTS, *PROJECTIONS, "ledger_tile")
# What nothing is decided by: when a batch was made and which numbers it spans only helps to find a leaf; a permit's
# end is in the permit itself, signed, and what it rests on is only told; when the catalogue changed is in its acts; a
# line's place in the queue only helps to find its leaf; that an end was told to agencies is the word of their deliveries.
FREE = {
    ("permit", "expires_at"),
    ("permit", "consents"),
    ("consent", "ended_at"),
    ("consent", "expiry_told"),
    ("forgotten_status", "at"),
} | {(table, "changed_at") for table in ("agency", "purpose")}


Shape = tuple[dict[str, list[str]], dict[str, list[str]]]
"""By table: its columns, and those of its key."""


def shape_of(connection: Connection) -> Shape:
    seen = look(connection)
    columns = {table: [one["name"] for one in seen.get_columns(table)] for table in (*AUDITED, "citizen_seed")}
    return columns, {table: seen.get_pk_constraint(table)["constrained_columns"] for table in columns}


class Tamperer:
    """Somebody with the database, and without any key."""

    def __init__(self, world: World, connection: Connection, chance: random.Random, shape: Shape) -> None:
        self.world = world
        self.connection = connection
        self.chance = chance
        self.columns, self.keys = shape

    def rows(self, table: str) -> list[dict[str, Any]]:
        names = ", ".join(f'"{one}"' for one in self.columns[table])
        order = ", ".join(f'"{one}"' for one in self.keys[table])
        found = self.connection.exec_driver_sql(f"SELECT {names} FROM {table} ORDER BY {order}")
        return [dict(row._mapping) for row in found]

    def put(self, table: str, row: dict[str, Any], **values: Any) -> None:
        self._run(f"UPDATE {table} SET {_assigned(values, 'n_')} WHERE {_matching(self.keys[table])}", row, values)

    def drop(self, table: str, row: dict[str, Any]) -> None:
        self._run(f"DELETE FROM {table} WHERE {_matching(self.keys[table])}", row)

    def add(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(f'"{one}"' for one in row)
        self._run(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':n_{one}' for one in row)})", {}, row)

    def _run(self, statement: str, row: dict[str, Any], values: dict[str, Any] | None = None) -> None:
        given = {f"k_{name}": _given(row[name]) for name in row}
        given |= {f"n_{name}": _given(value) for name, value in (values or {}).items()}
        used = {name: value for name, value in given.items() if f":{name}" in statement}
        self.connection.execute(text(statement), used)

    # What he does

    def edit(self) -> str:
        table = self.chance.choice(AUDITED)
        row = self.chance.choice(self.rows(table))
        free = {"seq", "leaf_seq", *(name for one, name in FREE if one == table)}
        column = self.chance.choice([one for one in row if one not in free])
        self.put(table, row, **{column: self._other(row[column])})
        return f"{table}.{column}"

    def delete(self) -> str:
        # Without his subject a citizen is nobody to an agency: it is denied, and nothing is wrong in the register.
        table = self.chance.choice([one for one in (*AUDITED, "citizen_seed") if one != "subject"])
        self.drop(table, self.chance.choice(self.rows(table)))
        return table

    def insert(self) -> str:
        """A line that was never written: another one's once more, or one with a leaf of its own making in the queue."""
        table = self.chance.choice(EVENTS)
        row = dict(self.chance.choice(self.rows(table)))
        row["seq"] = max(one["seq"] for one in self.rows(table)) + 1
        if self.chance.random() < 0.5:
            entry = self.chance.randbytes(32)
            seq = self.connection.execute(
                text("INSERT INTO pending_leaf (commitment, at) VALUES (:entry, :at) RETURNING seq"),
                {"entry": entry, "at": row["at"]},
            ).scalar_one()
            row |= {"leaf": b64encode(merkle.leaf_hash(entry)), "leaf_seq": seq, "nonce": self.chance.randbytes(16)}
        self.add(table, row)
        return table

    def reorder(self) -> str:
        """Two lines, or two leaves, change places."""
        if self.chance.random() < 0.5:
            table = self.chance.choice(EVENTS)
            one, other = self.chance.sample(self.rows(table), 2)
            columns = [name for name in one if name != "seq"]
            moved = [name for name in columns if self.chance.random() < 0.5 or name == "leaf"]
            if self.chance.random() < 0.5:
                moved = [name for name in columns if name not in ("leaf", "leaf_seq", "nonce")]
            said = [name for name in columns if name not in ("leaf", "leaf_seq", "nonce")]
            if all(one[name] == other[name] for name in moved) or all(one[name] == other[name] for name in said):
                # Two lines that say the same: exchanged they still do.
                return self.reorder()
            self.put(table, one, **{name: other[name] for name in moved})
            self.put(table, other, **{name: one[name] for name in moved})
            return table
        found = {(row["level"], row["n"]): row for row in self.rows("ledger_tile")}
        a, b = self.chance.sample(range(len(found[0, 0]["hashes"]) // 32), 2)
        for level in self.chance.choice([(0,), (-1,), (-1, 0)]):
            hashes = tiles.split(bytes(found[level, 0]["hashes"]))
            hashes[a], hashes[b] = hashes[b], hashes[a]
            self.put("ledger_tile", found[level, 0], hashes=b"".join(hashes))
        return "ledger_tile"

    def truncate(self) -> str:
        """The newest lines go, and the tree is as it was before them, with the checkpoint that was published then."""
        lines = list(self.world.registry.ledger.journal.lines())
        older = self.chance.choice([one for one in lines[:-1] if one.checkpoint.size])
        size = older.checkpoint.size
        for row in self.rows("ledger_tile"):
            full, width = tiles.widths(size, row["level"])
            length = tiles.TILE if row["n"] < full else width * tiles.HASH if row["n"] == full else 0
            if not length:
                self.drop("ledger_tile", row)
            elif length != len(row["hashes"]):
                self.put("ledger_tile", row, hashes=bytes(row["hashes"])[:length])
        kept = {
            b64encode(merkle.leaf_hash(one))
            for line in lines
            if line.checkpoint.size <= size
            for one in tiles.split(line.entries)
        }
        for table in EVENTS:
            for row in self.rows(table):
                if row["leaf"] not in kept:
                    self.drop(table, row)
        self._head(older.note)
        self.connection.execute(text("DELETE FROM ledger_batch WHERE size > :size"), {"size": size})
        return "ledger_head"

    def back_date(self) -> str:
        table = self.chance.choice(EVENTS)
        row = self.chance.choice(self.rows(table))
        moved = self.chance.choice([1, 3_600, 86_400, 40_000_000])
        at = row["at"] - moved * 1_000_000 if isinstance(row["at"], int) else row["at"] - timedelta(seconds=moved)
        self.put(table, row, at=at)
        return table

    def _head(self, note: str) -> None:
        checkpoint = parse(split(note)[0])
        values = {"size": checkpoint.size, "root": checkpoint.root, "note": note}
        values |= {"published_size": checkpoint.size, "published_note": note}
        self.connection.execute(text(f"UPDATE ledger_head SET {_assigned(values, '')}"), values)

    def _other(self, value: Any) -> Any:
        chance = self.chance
        if value is None:
            return (
                None
                if chance.random() < 0
                else 1_700_000_000_000_000
                if self.world.backend.name == "sqlite"
                else "2026-01-01"
            )
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return value + chance.choice([-1, 1, 1_000_000, -(10**9)])
        if isinstance(value, bytes | memoryview):
            raw = bytearray(value) or bytearray(16)
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            return bytes(raw)
        if isinstance(value, str):
            if not value:
                return "x"
            at = chance.randrange(len(value))
            return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        if isinstance(value, dict):
            return {**value, "x": 1}
        if isinstance(value, list):
            return [*value, "x"]
        return value + timedelta(seconds=chance.choice([-1, 1, 86_400]))


class Insider:
    """Somebody with the program, its secret and the ledger's keys: what he writes is valid, and signed."""

    def __init__(self, world: World, connection: Connection, chance: random.Random) -> None:
        self.world = world
        self.connection = connection
        self.chance = chance

    def back_dated_event(self) -> str:
        """Put into the register today by the program's own code, as if it had happened yesterday."""
        at = self.world.clock.now() - timedelta(days=self.chance.randint(1, 400))
        row = {"event": "agency.added", "object": "x", "at": at, "content": {}}
        pseudonyms = self.world.ring.pseudonyms
        _, columns = append.add(self.connection, pseudonyms, "act", row)
        from consent.store import acts

        acts.add(self.connection, {**row, **columns})
        return "act"

    def fork(self) -> str:
        """One entry of the past exchanged, everything rebuilt above it, and signed with the ledger's own key."""
        head = store.head(self.connection)
        assert head is not None
        entries = tiles.split(b"".join(self._tiles(tiles.ENTRIES)))
        entries[self.chance.randrange(len(entries))] = self.chance.randbytes(32)
        growth = tiles.grow(0, entries, _nothing)
        self.connection.execute(text("DELETE FROM ledger_tile"))
        store.put_tiles(self.connection, growth.tiles)
        note = self.world.ring.ledger.sign(head.origin, Checkpoint(head.origin, growth.size, growth.root).text)
        values = {"root": growth.root, "note": note, "published_note": note}
        self.connection.execute(text(f"UPDATE ledger_head SET {_assigned(values, '')}"), values)
        return "ledger_head"

    def _tiles(self, level: int) -> Iterator[bytes]:
        found = self.connection.execute(
            text("SELECT hashes FROM ledger_tile WHERE level = :level ORDER BY n"), {"level": level}
        )
        yield from (bytes(row[0]) for row in found)


async def placed(world: World) -> None:
    """Signed consents of somebody who was forgotten, of one who ended it, and of one who did not."""
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    for name in ("emma", "fred"):
        for consent in (await world.give(world.citizen(name))).consents:
            await world.database.write(lambda c, consent=consent: places.of(c, consent, pseudonyms=pseudonyms, now=now))
    await world.registry.withdraw(consent, world.citizen("fred"))
    world.database.write_now(lambda c: forgetting.forget(c, world.citizen("emma"), pseudonyms=pseudonyms, now=now))


async def test_a_thousand_tampers_are_all_found(world: World) -> None:
    await lived(world)
    await everything(world, world.citizen("dirk"))
    await placed(world)
    count = TAMPERS[world.backend.name]
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    done, missed = Counter[str](), []
    shape = world.database.read_now(shape_of)

    for number in range(count):

        def tamper(connection: Connection, number: int = number) -> tuple[str, str, list[Finding]]:
            inside = number % 20 == 0
            hands: Any = (Insider if inside else partial(Tamperer, shape=shape))(world, connection, chance)
            acts = _acts(hands)
            act = acts[number // 20 % len(acts)] if isinstance(hands, Insider) else acts[number % len(acts)]
            place = ""
            while not place:
                try:
                    with connection.begin_nested():
                        place = act()
                except DBAPIError:
                    continue  # the database refuses even this, without its triggers: it is no tamper
            return act.__name__, place, inspect(connection, world.registry.ledger, world.ring.pseudonyms)

        act, place, found = undone(world, tamper)
        done[act] += 1
        if not found:
            missed.append((number, act, place))

    print(dict(done))
    assert {str(one) for one in missed} == set()
    assert sum(done.values()) == count
    assert len(done) == 8
    # What was undone leaves nothing behind.
    assert world.database.read_now(lambda c: inspect(c, world.registry.ledger, world.ring.pseudonyms)) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_whoever_rewrites_the_journal_too_is_found_by_one_receipt(world: World, anna: str) -> None:
    """The state itself, with every key and every file: a citizen who kept a receipt finds it out (M-19)."""
    await lived(world)
    parts, pseudonyms = world.registry.ledger, world.ring.pseudonyms
    receipts = [
        parse(split(json.loads(await world.registry.receipt_file(line.leaf, anna))["proof"].partition("\n\n")[2])[0])
        for line in (await world.registry.history(anna)).uses
    ]
    assert receipts
    chance = random.Random(7)

    def fork(connection: Connection) -> list[Finding]:
        Insider(world, connection, chance).fork()
        journal = _rewritten(world, connection)
        try:
            return inspect(connection, parts, pseudonyms, receipts)
        finally:
            _restore(journal)

    for _ in range(50):
        assert any(one.place.startswith("checkpoint") for one in undone(world, fork))


class _Undo(Exception):
    pass


def undone(world: World, tamper: Callable[[Connection], T]) -> T:
    """What a tamper led to; then it never happened."""
    seen: list[T] = []

    def unit(connection: Connection) -> None:
        _without_triggers(connection, world)
        seen.append(tamper(connection))
        raise _Undo

    with pytest.raises(_Undo):
        world.database.write_now(unit)
    return seen[0]


def _rewritten(world: World, connection: Connection) -> dict[Any, bytes]:
    """The journal says what the forked head says; what it said before is answered."""
    head = store.head(connection)
    directory = world.settings.data_dir / "ledger"
    before = {path: path.read_bytes() for path in directory.glob("journal.*")}
    for path in before:
        path.unlink()
    (directory / f"journal.{head.size:019d}").write_bytes(
        json.dumps({"note": head.note, "first": head.size, "entries": "", "tells": []}).encode() + b"\n"
    )
    return before


def _restore(before: dict[Any, bytes]) -> None:
    for path in next(iter(before)).parent.glob("journal.*"):
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def _acts(hands: Any) -> list[Callable[[], str]]:
    if isinstance(hands, Insider):
        return [hands.back_dated_event, hands.fork]
    return [hands.edit, hands.delete, hands.insert, hands.reorder, hands.truncate, hands.back_date]


def _without_triggers(connection: Connection, world: World) -> None:
    if world.backend.name == "sqlite":
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        for name in names:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = on")
    else:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")


def _assigned(values: dict[str, Any], prefix: str) -> str:
    return ", ".join(f'"{name}" = :{prefix}{name}' for name in values)


def _matching(keys: list[str]) -> str:
    return " AND ".join(f'"{name}" = :k_{name}' for name in keys)


def _given(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _nothing(level: int, n: int) -> bytes:
    raise LookupError((level, n))
