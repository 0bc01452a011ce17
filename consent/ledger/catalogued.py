"""The catalogue as operators' acts made it, compared with the catalogue as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consent.catalogue import ACTIVE, DRAFT, PUBLISHED, RETIRED, SUBMITTED, SUSPENDED, canonical_hash
from consent.ledger.verify import Finding

Row = Mapping[str, Any]
_TEXTS = ("oin", "name", "contact", "url")


def differences(
    acts: Iterable[Row], agencies: Iterable[Row], categories: Iterable[Row], purposes: Iterable[Row]
) -> Iterator[Finding]:
    """What stands there and was never made so, and what was made and is gone."""
    there, expected = named(agencies, categories, purposes), made(acts)
    for table, rows in there.items():
        for name in sorted(rows.keys() | expected[table].keys()):
            if rows.get(name) != expected[table].get(name):
                yield Finding(f"{table} {name}", "is not what operators' acts made it")
    for name, row in there["purpose"].items():
        if canonical_hash(row["content"]) != row["hash"]:
            yield Finding(f"purpose {name}", "does not have the hash of its content")


def named(agencies: Iterable[Row], categories: Iterable[Row], purposes: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """The rows by table and name, with the columns that acts decide on."""
    return {
        "agency": {row["id"]: {name: row[name] for name in ("id", *_TEXTS, "state")} for row in agencies},
        "data_category": {row["id"]: {name: row[name] for name in ("id", *_CATEGORY)} for row in categories},
        "purpose": {
            f"{row['id']} {row['version']}": {name: row[name] for name in ("id", "version", *_PURPOSE)}
            for row in purposes
        },
    }


def made(acts: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """The same, as acts made them, in the order in which they were done."""
    done = _Made()
    for act in acts:
        _ACTS.get(act["event"], _nothing)(done, act["object"], act["content"])
    return {"agency": done.agency, "data_category": done.data_category, "purpose": done.purpose}


_PURPOSE = ("agency", "state", "hash", "content", "author", "submitter", "publisher")
_CATEGORY = ("source", "name", "description", "sensitivity")


class _Made:
    def __init__(self) -> None:
        self.agency: dict[str, dict[str, Any]] = {}
        self.data_category: dict[str, dict[str, Any]] = {}
        self.purpose: dict[str, dict[str, Any]] = {}


def _added(made: _Made, name: str, content: Row) -> None:
    state = made.agency.get(name, {"state": ACTIVE})["state"]
    made.agency[name] = {"id": name, **{one: content[one] for one in _TEXTS}, "state": state}
    for one in content["categories"]:
        known = {member: one[member] for member in _CATEGORY[1:]}
        made.data_category[one["id"]] = {"id": one["id"], "source": name, **known}


def _suspended(made: _Made, name: str, _content: Row) -> None:
    made.agency[name]["state"] = SUSPENDED


def _resumed(made: _Made, name: str, _content: Row) -> None:
    made.agency[name]["state"] = ACTIVE


def _purpose_added(made: _Made, name: str, content: Row) -> None:
    of = content["of"]
    who = {"author": content["by"], "submitter": "", "publisher": ""}
    row = {"agency": of["agency"], "state": DRAFT, "hash": content["hash"], "content": of, **who}
    row |= {"id": name, "version": content["version"]}
    made.purpose.setdefault(f"{name} {content['version']}", row)


def _submitted(made: _Made, name: str, content: Row) -> None:
    made.purpose[f"{name} {content['version']}"] |= {"state": SUBMITTED, "submitter": content["by"]}


def _published(made: _Made, name: str, content: Row) -> None:
    """Nothing that is published, and nothing that waits, is left beside what one publishes."""
    _ended(made, name, (PUBLISHED, SUBMITTED))
    made.purpose[f"{name} {content['version']}"] |= {"state": PUBLISHED, "publisher": content["by"]}


def _retired(made: _Made, name: str, _content: Row) -> None:
    _ended(made, name, (PUBLISHED,))


def _rejected(made: _Made, name: str, _content: Row) -> None:
    _ended(made, name, (SUBMITTED,))


def _ended(made: _Made, name: str, states: tuple[str, ...]) -> None:
    for key, row in made.purpose.items():
        if key.partition(" ")[0] == name and row["state"] in states:
            row["state"] = RETIRED


def _nothing(_made: _Made, _name: str, _content: Row) -> None:
    """An act that is not about the catalogue."""


_ACTS = {
    "agency.added": _added,
    "agency.suspended": _suspended,
    "agency.resumed": _resumed,
    "purpose.added": _purpose_added,
    "purpose.submitted": _submitted,
    "purpose.published": _published,
    "purpose.rejected": _rejected,
    "purpose.retired": _retired,
}
EVENTS = tuple(_ACTS)
"""Acts by which the catalogue is made."""
