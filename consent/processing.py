"""The processing log of the Dutch standard for logging data processing (LDV): one record an act and person.

Nothing is written twice. A record is a line that the ledger commits to, its trace included, in the standard's words: it
was written in the act's own commit, cannot be sampled, and whoever has the line's receipt can prove it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from base.database import Connection
from consent.catalogue import Catalogue
from consent.store import processing
from keys.digest import b64encode
from keys.seal import Sealer

MAX_PAGE = 1_000
SETTLED = timedelta(minutes=1)
"""No unit of work takes so long."""
SUBJECT_TYPE = "regie:citizen"
_NAMES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "consent": lambda row: f"consent {row['type']}",
    "use": lambda row: f"{row['use_kind']} {row['decision']}",
    "redemption": lambda _: "permit redeemed",
    "report": lambda row: f"use reported: {row['outcome']}",
    "lookup": lambda row: f"looked up: {row['what']}",
}
_CALLER = {"consent": "agency", "use": "recipient", "redemption": "source", "report": "recipient", "lookup": "by"}
"""By kind of line, the member that names the agency that called us, when it was an agency."""


_PLACE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18}){4}", re.ASCII)


class BadPlace(ValueError):
    """A place in the log that no page ended at."""


@dataclass(frozen=True, slots=True)
class Log:
    """`records`: in the standard's form, kind by kind, oldest first. `place`: where they end. `more`: behind it."""

    records: list[dict[str, Any]]
    place: str
    more: bool


def page(
    connection: Connection,
    catalogue: Catalogue,
    sealer: Sealer,
    issuer: str,
    *,
    place: str = "",
    limit: int = MAX_PAGE,
    now: datetime,
    citizen: str | None = None,
) -> Log:
    """Up to a minute ago: what was begun before is written by then.

    `place`: where a page before ended. `citizen`: lines of one alone, by the registry's handle. BadPlace.
    """
    places, more = _read(place), False
    records: list[dict[str, Any]] = []
    for kind in processing.KINDS:
        left = limit - len(records)
        found = processing.lines(
            connection, kind, after=places[kind], limit=left + 1, until=now - SETTLED, citizen=citizen
        )
        more = more or len(found) > left
        for row in found[:left]:
            records.append(_record(kind, row, catalogue, sealer, issuer))
            places[kind] = row["seq"]
    return Log(records, ".".join(str(one) for one in places.values()), more)


def _read(place: str) -> dict[str, int]:
    """By kind, the number of the last line that was told."""
    if not place:
        return dict.fromkeys(processing.KINDS, 0)
    if not _PLACE.fullmatch(place):
        raise BadPlace(place)
    return dict(zip(processing.KINDS, map(int, place.split(".")), strict=True))


def _record(kind: str, row: Mapping[str, Any], catalogue: Catalogue, sealer: Sealer, issuer: str) -> dict[str, Any]:
    """LDV section on fields; `end_time` is `start_time`: an act is one commit, and `at` is its moment.

    Who was forgotten is in no record; a purpose's version is the activity's own number, so that a change of it is
    another activity.
    """
    attributes: dict[str, Any] = {"dpl.core.processing_activity_id": _activity(row, issuer)}
    if row["citizen"]:
        sealed = sealer.seal_system(
            row["citizen"].encode(), table="processing", column="data_subject_id", row=row["span_id"].hex()
        )
        attributes["dpl.core.data_subject_id"] = b64encode(sealed)
        attributes["dpl.core.data_subject_id_type"] = SUBJECT_TYPE
    caller = catalogue.agencies.get(row[_CALLER[kind]])
    if row["parent_span_id"] is not None and caller is not None and caller.url:
        attributes["dpl.core.foreign_operation.processor"] = caller.url
    record = {
        "trace_id": row["trace_id"].hex(),
        "span_id": row["span_id"].hex(),
        "status": "Ok",
        "name": _NAMES[kind](row),
        "start_time": _milliseconds(row["at"]),
        "end_time": _milliseconds(row["at"]),
        "resource": {"name": issuer},
        "attributes": attributes,
    }
    if row["parent_span_id"] is not None:
        record["parent_span_id"] = row["parent_span_id"].hex()
    return record


def _activity(row: Mapping[str, Any], issuer: str) -> str:
    """Where the purpose can be read; its version behind it. Without one: the permit of somebody who was forgotten, or a look-up."""
    purpose = row["purpose_of"] if "purpose_of" in row else row.get("purpose")
    version = f"#version-{row['purpose_version']}" if row.get("purpose_version") is not None else ""
    return f"{issuer}/consent/v1/purposes" + (f"/{purpose}{version}" if purpose else "")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000)
