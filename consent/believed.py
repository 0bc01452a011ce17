"""The catalogue as far as operators' acts made it so: a row that somebody edited allows nothing, and is heard of.

Agencies, kinds of data and purposes are rows that change, so no trigger can forbid changing them; the acts that changed
them are lines of the ledger, which nobody makes who has the database alone: each opens its leaf with a secret that is
in no database. So the rows are compared with the acts whenever they are read, which is when the catalogue moved:

  an agency      that differs, or is gone, takes part in nothing, as one that is suspended
  a purpose      that differs, or is gone, is asked and allowed no more, as one that is retired
  a kind of data that differs, or is gone, ends every purpose that asks it
  what no act made is not there

What is shown of it is what the acts say. Why so: docs/decisions/0030-sealed-rows.md.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from base.clock import Clock
from base.database import Connection, Database
from base.log import log
from consent import seals
from consent.catalogue import PUBLISHED, RETIRED, SUSPENDED, Catalogue
from consent.ledger import catalogued, leaf
from consent.store import acts, auditing, catalogue, seeds
from keys.derive import Pseudonyms

KIND = "catalogue"
EVERY_S = 60
_TABLES = ("agency", "data_category", "purpose")
Rows = dict[str, dict[str, dict[str, Any]]]
"""By table, by the name that an audit gives a row."""


def newest(
    connection: Connection, pseudonyms: Pseudonyms, known: Catalogue | None, revision: int | None = None
) -> Catalogue:
    """`known` while nothing moved, else the catalogue anew. `revision`: if it was read already."""
    if known is not None and known.revision == (catalogue.revision(connection) if revision is None else revision):
        return known
    return load(connection, pseudonyms)


def load(connection: Connection, pseudonyms: Pseudonyms) -> Catalogue:
    """The catalogue that decides. `altered` of it: what was edited."""
    revision, there, made = _read(connection, pseudonyms)
    altered = _differing(there, made)
    for name in altered:
        log.error(seals.EVENT, kind=KIND, detail=name)
    rows = {table: {name: made[table][name] for name in made[table]} for table in _TABLES}
    kinds = {name.partition(" ")[2] for name in altered if name.startswith("data_category ")}
    for name, row in rows["agency"].items():
        rows["agency"][name] = {**row, "state": SUSPENDED} if f"agency {name}" in altered else row
    for name, row in rows["purpose"].items():
        ends = f"purpose {name}" in altered or kinds.intersection(row["content"]["data"])
        rows["purpose"][name] = {**row, "state": RETIRED} if ends and row["state"] == PUBLISHED else row
    found = catalogue.of_rows(revision, *(rows[table].values() for table in _TABLES))
    return replace(found, altered=tuple(altered))


def altered(connection: Connection, pseudonyms: Pseudonyms) -> list[str]:
    """What was edited, as an audit names it: `agency municipality`, `purpose housing-benefit 1`."""
    _, there, made = _read(connection, pseudonyms)
    return _differing(there, made)


class Watch:
    """Looks each minute, since a process that runs keeps the catalogue that it read; the alarm is raised once a row."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms, clock: Clock) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._looked: float | None = None

    async def round(self) -> None:
        at = time.monotonic()
        if self._looked is not None and at - self._looked < EVERY_S:
            return
        self._looked = at
        found = await self._database.scan(lambda c: altered(c, self._pseudonyms))
        if found:
            await self._database.write(lambda c: self._tell(c, found))

    def _tell(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            seals.alarm(connection, KIND, name, self._clock.now())


def _read(connection: Connection, pseudonyms: Pseudonyms) -> tuple[int, Rows, Rows]:
    """Revision, the rows as they stand, and as the acts made them, all of one moment."""
    while True:
        seen = catalogue.revision(connection)
        there = catalogued.named(*auditing.catalogue_rows(connection))
        seed = seeds.find(connection, "")
        told = [row for row in acts.of(connection, catalogued.EVENTS) if _is_ours(pseudonyms, seed, row)]
        if catalogue.revision(connection) == seen:
            return seen, there, catalogued.made(told)


def _is_ours(pseudonyms: Pseudonyms, seed: bytes | None, row: dict[str, Any]) -> bool:
    """Whether it opens its leaf: nobody writes such a row who has the database alone."""
    return seed is not None and row["leaf"] == leaf.hash_of(
        pseudonyms.salt(seed, row["nonce"]), leaf.content("act", row)
    )


def _differing(there: Rows, made: Rows) -> list[str]:
    return [
        f"{table} {name}"
        for table in _TABLES
        for name in sorted(there[table].keys() | made[table].keys())
        if there[table].get(name) != made[table].get(name)
    ]
