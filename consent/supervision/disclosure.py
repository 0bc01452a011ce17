"""What of the figures may be told, purely: no number is about fewer than ten people, and none can be worked out.

1. A number about fewer than ten people is told as `<10`, and so is none at all.
2. Every other number is rounded to a ten by itself, totals from what they are and not from rounded parts.
3. Then we do what a curious reader would: from all that is told, and how it is made, narrow down every `<10`. While one
   of them can be anything less than 0 to 9, the smallest number beside it is withheld too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LEAST = 10
FEW, WITHHELD = "<10", "withheld"
Told = int | str
"""A number that is rounded; FEW; or WITHHELD, when it would tell another."""
Path = tuple[str, ...]
"""() for everything, (agency,), (agency, purpose)."""
_ANY = 1 << 62


@dataclass(frozen=True, slots=True)
class Cell:
    """`people`: at least so many are behind the number."""

    number: int
    people: int


NOTHING = Cell(0, 0)


def rounded(number: int) -> int:
    return (number + LEAST // 2) // LEAST * LEAST


def told(leaves: Mapping[Path, Cell]) -> dict[Path, Told]:
    """By path, everything on the way to the leaves too: what may be told. All leaves are equally deep."""
    cells = _summed(leaves)
    shown: dict[Path, Told] = {
        path: FEW if cell.people < LEAST else rounded(cell.number) for path, cell in cells.items()
    }
    while (narrowed := _narrowed(shown)) is not None:
        shown[next(_beside(narrowed, shown, cells))] = WITHHELD
    # What was withheld first may be told again, now that more is: the largest numbers say most.
    for path in sorted(
        (path for path, told in shown.items() if told == WITHHELD), key=lambda path: -cells[path].number
    ):
        shown[path] = rounded(cells[path].number)
        if _narrowed(shown) is not None:
            shown[path] = WITHHELD
    return shown


def bounds(shown: Mapping[Path, Told]) -> dict[Path, tuple[int, int]]:
    """The least and the most that each number can be, for who knows all of them and that they add up.

    The worst case: every use is another person's, so that a leaf of few people is a small number.
    """
    parts: dict[Path, list[Path]] = {}
    for path in shown:
        if path:
            parts.setdefault(path[:-1], []).append(path)
    found = {path: _told_bounds(told, is_leaf=path not in parts) for path, told in shown.items()}
    changed = True
    while changed:
        before = dict(found)
        for total, of in parts.items():
            known = [found[path] for path in of]
            low, high = sum(one[0] for one in known), sum(one[1] for one in known)
            least, most = found[total] = _within(found[total], low, high)
            for path, (one_low, one_high) in zip(of, known, strict=True):
                found[path] = _within(found[path], least - (high - one_high), most - (low - one_low))
        changed = found != before
    return found


def _summed(leaves: Mapping[Path, Cell]) -> dict[Path, Cell]:
    """Of a sum it is certain only that it is about as many people as its largest part: they may be the same people."""
    cells: dict[Path, Cell] = {(): NOTHING}
    for path, cell in leaves.items():
        for depth in range(len(path) + 1):
            so_far = cells.get(path[:depth], NOTHING)
            cells[path[:depth]] = Cell(so_far.number + cell.number, max(so_far.people, cell.people))
    return cells


def _narrowed(shown: Mapping[Path, Told]) -> Path | None:
    """A number about few people of which more is known than that."""
    found = bounds(shown)
    few = (path for path, told in shown.items() if told == FEW)
    return next((path for path in few if found[path][0] > 0 or found[path][1] < LEAST - 1), None)


def _beside(path: Path, shown: Mapping[Path, Told], cells: Mapping[Path, Cell]) -> Iterator[Path]:
    """What can be withheld for its sake: what it is added up with, the smallest first; their total; then further up."""
    while path:
        total = path[:-1]
        beside = [one for one in shown if one and one[:-1] == total and isinstance(shown[one], int)]
        yield from sorted(beside, key=lambda one: (cells[one].number, one))
        if isinstance(shown[total], int):
            yield total
        path = total


def _told_bounds(told: Told, *, is_leaf: bool) -> tuple[int, int]:
    if told == FEW:
        return 0, LEAST - 1 if is_leaf else _ANY
    if isinstance(told, str):
        return LEAST, _ANY
    return max(LEAST, told - LEAST // 2), told + LEAST // 2 - 1


def _within(old: tuple[int, int], low: int, high: int) -> tuple[int, int]:
    return max(old[0], low), min(old[1], high)
