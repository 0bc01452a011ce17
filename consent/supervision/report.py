"""One month's report: counted if it is not yet, written down that it was looked at, and told as far as it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from base import audit
from base.database import Connection, Database
from consent.catalogue import Catalogue, Purpose
from consent.events.lost import LATE
from consent.store import catalogue as catalogue_store
from consent.store import supervision
from consent.store.supervision import WHAT, Figure
from consent.supervision import anomalies, disclosure, months
from consent.supervision.anomalies import Anomaly, Cells, Period
from consent.supervision.disclosure import FEW, Cell, Path, Told
from consent.supervision.months import Month

COLUMNS = ("allowed", "denied", "unknown", "given", "refused", "withdrawn")
"""What the tables tell; the other figures are for anomalies alone, since they are parts of these."""
SHOWN, PAST = 12, 6
"""Months in the report, and months that make the past an agency is compared with."""
NEAR, FEWEST = 0.8, 5
"""A citizen is near a purpose's frequency with so much of it; purposes with fewer uses than these are not asked about."""


@dataclass(frozen=True, slots=True)
class Row:
    """`purpose`: "" in the row of an agency, and of purposes that it does not have. `told`: by COLUMNS."""

    agency: str
    purpose: str
    told: dict[str, Told]


@dataclass(frozen=True, slots=True)
class Report:
    month: Month
    catalogue: Catalogue
    total: dict[str, Told]
    agencies: tuple[Row, ...]
    purposes: tuple[Row, ...]
    months: tuple[tuple[Month, dict[str, Told]], ...]
    anomalies: tuple[Anomaly, ...]


def report(database: Database, month: Month, *, report_days: int, actor: str, now: datetime) -> Report:
    """From a thread that may wait: a month is counted the first time, and the one that runs once a day.

    `report_days`: how long an agency has to say what became of a permit.

    The audit line is committed before anything is told.
    """
    span = months.before(month, SHOWN, now)
    catalogue = database.read_now(catalogue_store.load)
    kept = database.read_now(lambda c: supervision.counted(c, [one.name for one in span]))
    for one in span:
        if one.name not in kept or kept[one.name] < one.until:
            counted = database.snapshot_now(lambda c, one=one: _count(c, catalogue, one, timedelta(days=report_days)))  # type: ignore[misc]  # bound at once
            database.write_now(lambda c, one=one, counted=counted: supervision.keep(c, one.name, one.until, counted))  # type: ignore[misc]

    def unit(connection: Connection) -> list[Figure]:
        audit.record(connection, "supervisor.looked", actor=actor, object=month.name, now=now)
        return supervision.figures(connection, [one.name for one in span])

    return _made(catalogue, span, database.write_now(unit))


def _count(connection: Connection, catalogue: Catalogue, month: Month, to_report: timedelta) -> list[Figure]:
    found = supervision.uses(connection, month.name, month.since, month.until)
    found += supervision.answers(connection, month.name, month.since, month.until)
    # Those whose time to be reported ended in this month.
    found += supervision.reports(connection, month.name, month.since - to_report, month.until - to_report)
    # Those that became late in this month.
    found += supervision.unheard(connection, month.name, month.since - LATE, month.until - LATE)
    for purpose in catalogue.purposes.values():
        found += _near(connection, purpose, month)
    return found


def _near(connection: Connection, purpose: Purpose, month: Month) -> list[Figure]:
    often = purpose.frequency
    if often is None or often.uses < FEWEST:
        return []
    return supervision.near(
        connection,
        month.name,
        purpose.agency,
        purpose.id,
        least=math.ceil(NEAR * often.uses),
        since=month.until - timedelta(days=often.period_days),
        until=month.until,
    )


def _made(catalogue: Catalogue, span: Sequence[Month], figures: Sequence[Figure]) -> Report:
    cells: dict[str, dict[str, dict[Path, Cell]]] = {one.name: {what: {} for what in WHAT} for one in span}
    for one in figures:
        cells[one.month][one.what][one.agency, one.purpose] = Cell(one.number, one.people)
    month, told = span[-1], {name: {w: disclosure.told(of[w]) for w in COLUMNS} for name, of in cells.items()}

    def row(name: str, path: Path) -> dict[str, Told]:
        return {what: told[name][what].get(path, FEW) for what in COLUMNS}

    paths = {path for of in told[month.name].values() for path in of}
    agencies = sorted({*catalogue.agencies, *(path[0] for path in paths if path)})
    purposes = {(one.agency, one.id) for one in catalogue.versions.values() if catalogue.shown(one.id)}
    pairs = sorted({*purposes, *((path[0], path[1]) for path in paths if len(path) == 2)})
    periods = [Period(one.days, {what: _keyed(cells[one.name][what]) for what in WHAT}) for one in span]
    return Report(
        month,
        catalogue,
        row(month.name, ()),
        tuple(Row(one, "", row(month.name, (one,))) for one in agencies),
        tuple(Row(*one, row(month.name, one)) for one in pairs),
        tuple((one, row(one.name, ())) for one in span),
        tuple(anomalies.find(periods[-1], periods[-1 - PAST : -1])),
    )


def _keyed(cells: dict[Path, Cell]) -> Cells:
    return {(path[0], path[1]): cell for path, cell in cells.items()}
