"""Auditing the register against its ledger: every line is the one that was written, none is missing, none was added.

 1. each line opens its leaf: recomputed from what the line says now and from the citizen's seed
 2. its leaf is in the tree, at one place, or waits in the queue
 3. a line that was emptied is listed by the act that forgot the citizen, or the guardian who pressed
 4. lines follow each other in time as their leaves do: none is dated before what came before it
 5. every leaf, also one that waits, has its line, but for those that an act of reconciling says were lost
 6. every current answer, and every permit, is what its events say; the catalogue is what operators' acts made it
 7. what was shown has the hash by which it is named, and every pseudonym leads to the citizen whose it is

Needs the pseudonym secret: a leaf cannot be recomputed, nor forged, with the database alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush, merge
from typing import Any

from base.database import Connection
from consent import acting, forgetting, seals
from consent.ledger import catalogued, leaf, tiles
from consent.ledger.checkpoint import parse
from consent.ledger.merkle import leaf_hash
from consent.ledger.publish import Publisher
from consent.ledger.reconcile import EVENT, REPLAY
from consent.ledger.verify import Finding
from consent.store import auditing, leaves, ledger, seeds
from consent.store.auditing import Line
from consent.store.ledger import Head
from keys.derive import Pseudonyms
from keys.digest import b64decode, b64encode
from keys.errors import KeysError
from keys.notes import split

LATE = timedelta(seconds=60)
"""How much earlier than what came before it a line may be dated: clocks differ, and commits are not in order."""
TOGETHER = 1000
"""More transactions than any PostgreSQL lets write at once: further apart lines and leaves are never out of order."""


@dataclass
class _State:
    """What is known so far.

    `marked`: a byte for each leaf of the tree. `emptied`: by leaf, what is left of the lines that acts say were
    emptied. `pressed`: the leaves of which acts say that the guardian was forgotten. `lost`: leaves that acts say have no line any more. `next_in`: by batch, where its next leaf can be.
    """

    head: Head
    waiting: dict[int, bytes]
    marked: bytearray
    emptied: dict[str, str] = field(default_factory=dict)
    pressed: set[str] = field(default_factory=set)
    lost: list[tuple[int, int]] = field(default_factory=list)
    next_in: dict[int, int] = field(default_factory=dict)
    disorder: list[Finding] = field(default_factory=list)
    newest: datetime | None = None
    seeds: dict[str, bytes | None] = field(default_factory=dict)


def agree(connection: Connection, publisher: Publisher, pseudonyms: Pseudonyms) -> Iterator[Finding]:
    """Everything that does not agree, as it is found. Reads the whole register, page by page."""
    head = publisher.refresh(connection)
    if head is None:
        return
    state = _State(head, leaves.hashes(connection), bytearray(head.size))
    yield from _batches(connection, head)
    acts: list[Mapping[str, Any]] = [line.row for line in auditing.acts(connection)]
    for act in acts:
        _learn(state, act)
    # PostgreSQL numbers before the commit: lines that were written together may be numbered either way round.
    late = LATE if connection.dialect.name != "sqlite" else timedelta(0)
    tables = [_by_leaf(_in_order(state, lines, late)) for lines in auditing.lines(connection)]
    for line in merge(*tables, key=lambda one: one.row["leaf_seq"]):
        yield from _line(connection, publisher, pseudonyms, state, line)
    yield from state.disorder
    for seq in state.waiting:
        yield Finding(f"pending_leaf {seq}", "has no line in the register: what it commits to was removed")
    for index, mark in enumerate(state.marked):
        if not mark and not any(start <= index < end for start, end in state.lost):
            yield Finding(f"leaf {index}", "has no line in the register: what it commits to was removed")
    yield from _projections(connection, pseudonyms)
    yield from _besides(connection, pseudonyms, acts)


def _besides(connection: Connection, pseudonyms: Pseudonyms, acts: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """What lines refer to: the catalogue, what was shown, who is meant."""
    yield from catalogued.differences(acts, *auditing.catalogue_rows(connection))
    for name, content in auditing.notices(connection):
        if b64encode(hashlib.sha256(content).digest()) != name:
            yield Finding(f"notice {name}", "is not what was shown")
    for seq in auditing.events_without_notice(connection):
        yield Finding(f"consent_event {seq}", "has lost what was shown")
    for agency, sub, citizen in auditing.subjects(connection):
        if pseudonyms.pairwise(citizen, agency) != sub:
            yield Finding(f"subject {agency} {sub}", "leads to another citizen")


def _learn(state: _State, act: Mapping[str, Any]) -> None:
    """What an act says that explains what is not there. Whether the act itself was written here is checked as a line."""
    content = act["content"]
    try:
        if act["event"] == forgetting.EVENT:
            state.emptied |= content["lines"]
            state.pressed |= set(content["pressed"])
        elif act["event"] == EVENT and content["way"] == REPLAY:
            sizes = [parse(split(content[name])[0]).size for name in ("database", "published")]
            state.lost.append((sizes[0], sizes[1]))
    except (KeyError, TypeError, KeysError):
        return


def _in_order(state: _State, lines: Iterator[Line], late: timedelta) -> Iterator[Line]:
    """The lines of one table; those that do not stand in the order of their leaves are noted."""
    before: Line | None = None
    for line in lines:
        if before is not None and line.row["leaf_seq"] <= before.row["leaf_seq"]:
            if line.row["at"] <= before.row["at"] - late:
                place = f"{line.table} {line.row['seq']}"
                state.disorder.append(Finding(place, "does not stand where its leaf does"))
        else:
            before = line
        yield line


def _by_leaf(lines: Iterator[Line]) -> Iterator[Line]:
    """In the order of their leaves; of lines that were written together one may be the first, and another's leaf."""
    waiting: list[tuple[int, int, Line]] = []
    for number, line in enumerate(lines):
        heappush(waiting, (line.row["leaf_seq"], number, line))
        if len(waiting) > TOGETHER:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def _line(
    connection: Connection, publisher: Publisher, pseudonyms: Pseudonyms, state: _State, line: Line
) -> Iterator[Finding]:
    row, place = line.row, f"{line.table} {line.row['seq']}"
    if row.get("citizen") == "" and not row["nonce"]:
        if state.emptied.get(row["leaf"]) != leaf.remains(line.kind, row) or row.get("guardian"):
            yield Finding(place, "was emptied, and no act says that its citizen was forgotten and that this is left")
    else:
        found = _recomputed(connection, pseudonyms, state, line)
        if found != row["leaf"]:
            yield Finding(place, "is not what was written: it does not open its leaf")
            return
        if row["leaf"] in state.emptied:
            yield Finding(place, "is listed as forgotten, and it is not")
        if line.kind == "consent" and not _is_of_who_pressed(connection, pseudonyms, state, row):
            yield Finding(place, "does not say who pressed, and no act says that he was forgotten")
    yield from _placed(connection, publisher, state, row, place)
    if state.newest is not None and row["at"] < state.newest - LATE:
        yield Finding(place, "is dated before what came before it")
    state.newest = max(row["at"], state.newest or row["at"])


def _is_of_who_pressed(connection: Connection, pseudonyms: Pseudonyms, state: _State, row: Mapping[str, Any]) -> bool:
    if row["acting"] == acting.GUARDIAN and not row["guardian"]:
        return row["leaf"] in state.pressed
    return acting.is_true(pseudonyms, row, _seed(connection, state, row["guardian"]) if row["guardian"] else None)


def _seed(connection: Connection, state: _State, citizen: str) -> bytes | None:
    if citizen not in state.seeds:
        if len(state.seeds) > 100_000:
            state.seeds.clear()
        state.seeds[citizen] = seeds.find(connection, citizen)
    return state.seeds[citizen]


def _recomputed(connection: Connection, pseudonyms: Pseudonyms, state: _State, line: Line) -> str | None:
    row, citizen = line.row, line.row.get("citizen", "")
    seed, sector = _seed(connection, state, citizen), leaf.SECTOR.get(line.kind)
    if seed is None:
        return None
    sub = pseudonyms.pairwise(citizen, row[sector]) if sector is not None and citizen else ""
    return leaf.hash_of(pseudonyms.salt(seed, row["nonce"]), leaf.content(line.kind, row, sub))


def _placed(
    connection: Connection, publisher: Publisher, state: _State, row: Mapping[str, Any], place: str
) -> Iterator[Finding]:
    try:
        hashed = b64decode(row["leaf"])
    except ValueError:
        hashed = b""
    if hashed and leaf_hash(state.waiting.get(row["leaf_seq"], b"")) == hashed:
        # Only once: a second line with this leaf finds the queue empty.
        del state.waiting[row["leaf_seq"]]
        return
    found = publisher.locate(connection, hashed, row["leaf_seq"]) if len(hashed) == tiles.HASH else None
    if found is None or found[0] >= state.head.size:
        yield Finding(place, "has no leaf in the tree, nor in the queue")
        return
    index, batch = found
    if state.marked[index]:
        yield Finding(place, f"shares leaf {index} with another line")
    if index < state.next_in.get(batch, 0):
        yield Finding(place, "does not stand where its leaf does")
    state.marked[index] = 1
    if batch not in state.next_in and len(state.next_in) > 1000:
        state.next_in.pop(next(iter(state.next_in)))
    state.next_in[batch] = index + 1


def _batches(connection: Connection, head: Head) -> Iterator[Finding]:
    size, at = 0, None
    for batch in ledger.batches(connection):
        place = f"ledger_batch {batch.first}"
        if batch.first != size or batch.size <= batch.first:
            yield Finding(place, "does not begin where the one before it ends")
        if at is not None and batch.at < at - LATE:
            yield Finding(place, "is dated before the one before it")
        size, at = batch.size, batch.at
    if size != head.size:
        yield Finding("ledger_batch", f"ends at {size}, and the tree has {head.size} leaves")


def _projections(connection: Connection, pseudonyms: Pseudonyms) -> Iterator[Finding]:
    """Answers and permits are made from events: they say nothing of their own, and what decides is sealed."""
    for record in auditing.records(connection):
        if not seals.holds(pseudonyms, record):
            yield Finding(f"consent {record.id}", "does not have the seal of what it says")
    for permit_id, seal, is_taken in auditing.seals_of_permits(connection):
        if seal != (seals.NO_SEAL if is_taken else seals.of_permit(pseudonyms, permit_id)):
            yield Finding(f"permit {permit_id}", "does not have its seal")
    for consent_id, what in auditing.answers_that_differ(connection):
        yield Finding(f"consent {consent_id}", what)
    for place, what in auditing.bits_that_differ(connection):
        yield Finding(f"forgotten_status {place}", what)
    for permit_id, what in auditing.permits_that_differ(connection):
        yield Finding(f"permit {permit_id}", what)
