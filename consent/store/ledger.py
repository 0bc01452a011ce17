"""The ledger's rows: its head, its tiles, its batches, and what witnesses said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import ledger_batch, ledger_head, ledger_tile, ledger_witness

_INSERT: dict[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_HEAD = select(ledger_head)
_LOCKED = _HEAD.with_for_update()
_TILE = select(ledger_tile.c.hashes).where(
    ledger_tile.c.level == bindparam("p_level"), ledger_tile.c.n == bindparam("p_n")
)
_PUT = {}
for _name, _make in _INSERT.items():
    _new = _make(ledger_tile)
    _PUT[_name] = _new.on_conflict_do_update(index_elements=["level", "n"], set_={"hashes": _new.excluded.hashes})
_BEHIND = (
    select(ledger_batch)
    .where(ledger_batch.c.max_seq >= bindparam("p_seq"))
    .order_by(ledger_batch.c.max_seq)
    .limit(bindparam("p_limit"))
    .subquery()
)
# Bounded before it is looked at closer: anybody may ask for a place at which nothing ever stood.
_BATCHES_OF = select(_BEHIND).where(_BEHIND.c.min_seq <= bindparam("p_seq")).order_by(_BEHIND.c.max_seq)
_BATCHES = (
    select(ledger_batch).where(ledger_batch.c.first >= bindparam("p_first")).order_by(ledger_batch.c.first).limit(1000)
)


@dataclass(frozen=True, slots=True)
class Head:
    """`note`: the newest signed checkpoint. `published_note`: the newest that left the house.

    `origin`: the log's name, which stays as it was when the log began. `number`: which log of this house.
    `tells`: what the journal must say of what the newest checkpoint added.
    """

    origin: str
    number: int
    size: int
    root: bytes
    note: str
    tells: tuple[str, ...]
    published_size: int
    published_note: str
    cosigned_size: int
    cosigned_note: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Leaves `first` to `size`, which stood in the queue from `min_seq` to `max_seq`."""

    first: int
    size: int
    min_seq: int
    max_seq: int
    at: datetime


def head(connection: Connection, *, lock: bool = False) -> Head | None:
    """`lock`: nobody else moves it until the commit (PostgreSQL; SQLite has one writer)."""
    row = connection.execute(_LOCKED if lock and connection.dialect.name != "sqlite" else _HEAD).first()
    if row is None:
        return None
    return Head(
        row.origin,
        row.number,
        row.size,
        row.root,
        row.note,
        tuple(row.tells),
        row.published_size,
        row.published_note,
        row.cosigned_size,
        row.cosigned_note,
    )


def begin(connection: Connection, origin: str, root: bytes, note: str) -> bool:
    """The head of an empty tree. False when there is a head already."""
    row = {"one": 1, "origin": origin, "number": 1, "size": 0, "root": root, "note": note, "tells": []}
    row |= {"published_size": -1, "published_note": "", "cosigned_size": -1, "cosigned_note": ""}
    statement = _INSERT[connection.dialect.name](ledger_head).on_conflict_do_nothing().returning(ledger_head.c.one)
    return connection.execute(statement, row).first() is not None


def swap(connection: Connection, old: Head, *, size: int, root: bytes, note: str, tells: Sequence[str]) -> bool:
    """Put a new checkpoint in the place of `old`, if that is still the newest: the compare-and-swap."""
    done = connection.execute(
        update(ledger_head)
        .where(ledger_head.c.one == 1, ledger_head.c.size == old.size, ledger_head.c.root == old.root)
        .values(size=size, root=root, note=note, tells=list(tells))
    )
    return done.rowcount == 1


def publish(connection: Connection, size: int, note: str) -> None:
    """This checkpoint may leave the house. It is the newest signed one, or another process published a later one."""
    connection.execute(
        update(ledger_head)
        .where(ledger_head.c.one == 1, ledger_head.c.published_size < size)
        .values(published_size=size, published_note=note)
    )


def rename(connection: Connection, origin: str, number: int, note: str) -> None:
    """The tree goes on as another log, with a name of its own."""
    values = {"origin": origin, "number": number, "note": note, "tells": [], "published_size": -1, "published_note": ""}
    connection.execute(update(ledger_head).values(**values, cosigned_size=-1, cosigned_note=""))
    # They said it of the other log.
    connection.execute(delete(ledger_witness))


def cosigned(connection: Connection, origin: str, size: int, note: str) -> None:
    """The newest checkpoint of this log that enough witnesses cosigned, with their signatures."""
    connection.execute(
        update(ledger_head)
        .where(ledger_head.c.origin == origin, ledger_head.c.cosigned_size <= size)
        .values(cosigned_size=size, cosigned_note=note)
    )


def tile(connection: Connection, level: int, n: int) -> bytes:
    """A tile's hashes, as many as there are."""
    hashes: bytes | None = connection.execute(_TILE, {"p_level": level, "p_n": n}).scalar()
    return hashes or b""


def tiles(connection: Connection, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Several at once."""
    wanted = list(places)
    if not wanted:
        return {}
    key = tuple_(ledger_tile.c.level, ledger_tile.c.n)
    rows = connection.execute(select(ledger_tile).where(key.in_(wanted)))
    return {(row.level, row.n): row.hashes for row in rows}


def tile_lengths(connection: Connection) -> Iterator[tuple[tuple[int, int], int]]:
    """All tiles with how many bytes each has, for an audit."""
    after = (-(2**31), -1)
    key = tuple_(ledger_tile.c.level, ledger_tile.c.n)
    wanted = select(ledger_tile.c.level, ledger_tile.c.n, func.length(ledger_tile.c.hashes)).order_by(*key.clauses)
    while rows := connection.execute(wanted.where(key > after).limit(1000)).all():
        yield from (((row[0], row[1]), row[2]) for row in rows)
        after = (rows[-1][0], rows[-1][1])


def put_tiles(connection: Connection, grown: Mapping[tuple[int, int], bytes]) -> None:
    rows = [{"level": level, "n": n, "hashes": hashes} for (level, n), hashes in grown.items()]
    connection.execute(_PUT[connection.dialect.name], rows)


def add_batch(connection: Connection, batch: Batch) -> None:
    row = {"first": batch.first, "size": batch.size, "at": batch.at}
    connection.execute(insert(ledger_batch), {**row, "min_seq": batch.min_seq, "max_seq": batch.max_seq})


def batches_of(connection: Connection, seq: int, limit: int) -> list[Batch]:
    """The batches that may hold what stood at `seq` in the queue."""
    return [_batch(row) for row in connection.execute(_BATCHES_OF, {"p_seq": seq, "p_limit": limit})]


def batches(connection: Connection) -> Iterator[Batch]:
    """All, in order, page by page."""
    first = 0
    while rows := connection.execute(_BATCHES, {"p_first": first}).all():
        yield from map(_batch, rows)
        first = rows[-1].first + 1


def witnessed(connection: Connection, name: str, *, size: int, at: datetime, said: str) -> None:
    """What a witness answered last. `size`: the tree that it cosigned last."""
    statement = _INSERT[connection.dialect.name](ledger_witness)
    values = {"size": size, "at": at, "said": said}
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=values)
    connection.execute(statement, {"name": name, **values})


def witnesses(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(select(ledger_witness).order_by(ledger_witness.c.name))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name has the underscore


def _batch(row: Any) -> Batch:
    return Batch(row.first, row.size, row.min_seq, row.max_seq, row.at)
