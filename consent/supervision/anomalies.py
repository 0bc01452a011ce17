"""What is unusual, purely: figures in, what deserves a question out. About agencies and purposes, never about few people.

A share is told as the least that makes it unusual, growth in steps: how much exactly would tell what is beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from base.i18n import N_
from consent.supervision.disclosure import LEAST, NOTHING, Cell

Cells = Mapping[tuple[str, str], Cell]
"""By (agency, purpose)."""

KINDS = {
    "permits_not_taken": N_("Permits that no source was ever shown"),
    "permits_not_closed": N_("Permits of which the organisation never said what became of them"),
    "more_uses": N_("Far more uses than this agency made before"),
    "more_denials": N_("Far more denials than this agency met before"),
    "mostly_denied": N_("Most of what was asked was denied"),
    "near_frequency": N_("Many citizens' data is used nearly as often as the purpose allows"),
    "above_frequency": N_("Uses were denied because they would have been more than the purpose allows"),
    "unknown_pseudonyms": N_("Attempts with pseudonyms that were never given out"),
    "events_not_taken": N_("What became of permissions was not fetched for 30 days"),
}
TIMES = (100, 10, 3)
"""Steps of growth."""
NOT_TAKEN, NOT_CLOSED, DENIED, NEAR, ABOVE, UNKNOWN = 0.2, 0.2, 0.5, 0.25, 0.05, 0.05
"""Shares from which it is told."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`share`: at least so many of a hundred. `times`: at least so many times what it was, by day.

    Without either it is about ten people at least.
    """

    kind: str
    agency: str
    purpose: str = ""
    share: int | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """`cells`: by what was counted (consent.store.supervision.WHAT)."""

    days: int
    cells: Mapping[str, Cells]


def find(now: Period, before: Sequence[Period]) -> list[Anomaly]:
    """`before`: whole months that went before, oldest first."""
    return sorted(_all(now, before), key=lambda one: (one.agency, one.purpose, one.kind))


def _all(now: Period, before: Sequence[Period]) -> Iterator[Anomaly]:
    cells = now.cells
    allowed, denied, unknown = cells["allowed"], cells["denied"], cells["unknown"]
    yield from _shares("permits_not_taken", cells["not_taken"], allowed, NOT_TAKEN)
    yield from _shares("permits_not_closed", cells["not_closed"], cells["taken"], NOT_CLOSED)
    yield from _shares("above_frequency", cells["too_often"], _plus(allowed, denied), ABOVE)
    yield from _shares("near_frequency", cells["near"], cells["rail"], NEAR)
    asked = _plus(allowed, denied)
    yield from _shares("mostly_denied", _by_agency(denied), _by_agency(asked), DENIED)
    yield from _shares("unknown_pseudonyms", _by_agency(unknown), _by_agency(_plus(asked, unknown)), UNKNOWN)
    for agency, _ in (key for key, cell in cells["unheard"].items() if cell.people >= LEAST):
        yield Anomaly("events_not_taken", agency)
    yield from _growth("more_uses", "allowed", now, before)
    yield from _growth("more_denials", "denied", now, before)


def _shares(kind: str, part: Cells, whole: Cells, least: float) -> Iterator[Anomaly]:
    for (agency, purpose), cell in part.items():
        of = whole.get((agency, purpose), NOTHING)
        if cell.people >= LEAST and cell.number >= least * of.number:
            yield Anomaly(kind, agency, purpose, share=round(100 * least))


def _growth(kind: str, what: str, now: Period, before: Sequence[Period]) -> Iterator[Anomaly]:
    """By agency. Only from its first month on is there a past to compare with."""
    past = [(one.days, _by_agency(one.cells.get(what, {}))) for one in before]
    for key, cell in _by_agency(now.cells[what]).items():
        numbers = [(days, cells.get(key, NOTHING)) for days, cells in past]
        first = next((place for place, (_, cell_then) in enumerate(numbers) if cell_then.number), None)
        if first is None or cell.people < LEAST or not now.days:
            continue
        days = sum(days for days, _ in numbers[first:])
        # A month of few people is taken as one of ten uses: how few they were stays untold.
        number = sum(then.number if then.people >= LEAST else LEAST for _, then in numbers[first:])
        grown = (cell.number / now.days) / (number / days)
        if (times := next((one for one in TIMES if grown >= one), None)) is not None:
            yield Anomaly(kind, key[0], times=times)


def _by_agency(cells: Cells) -> Cells:
    sums: dict[tuple[str, str], Cell] = {}
    for (agency, _), cell in cells.items():
        so_far = sums.get((agency, ""), NOTHING)
        sums[agency, ""] = Cell(so_far.number + cell.number, max(so_far.people, cell.people))
    return sums


def _plus(one: Cells, other: Cells) -> Cells:
    return {
        key: Cell(
            one.get(key, NOTHING).number + other.get(key, NOTHING).number,
            max(one.get(key, NOTHING).people, other.get(key, NOTHING).people),
        )
        for key in one.keys() | other.keys()
    }
