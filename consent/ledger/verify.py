"""Auditing a log from what it shows to anybody: checkpoint, tiles, entries. Nothing of the register is read.

1. the checkpoint is signed by the log's own key
2. every entry bundle is there, and hashes to its tile of level 0
3. every tile above holds the roots of the full tiles under it
4. the tiles add up to the signed root
5. checkpoints that were seen before (a journal's, a receipt's, a witness's) are beginnings of this tree
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import Checkpoint, open_checkpoint
from consent.ledger.tiles import ENTRIES, MAX_LEVEL, Asked
from keys.notes import BadNote, Signed, Verifier

Fetch = Callable[[Asked], bytes | None]
"""A tile's hashes (of level -1: entries without their lengths); None when it is not to be had."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be. `place`: a tile's path, an index, a row."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The log that was audited, as far as its checkpoint could be read."""

    checkpoint: Checkpoint
    signed: tuple[Signed, ...]


def audit(
    note: str, verifiers: Sequence[Verifier], origin: str, fetch: Fetch, before: Iterable[Checkpoint] = ()
) -> tuple[Seen | None, list[Finding]]:
    """All that is wrong. `before`: checkpoints that must be beginnings of this tree."""
    try:
        checkpoint, signed = open_checkpoint(note, verifiers, origin=origin)
    except BadNote as error:
        return None, [Finding("checkpoint", str(error))]
    findings = list(_tiles(checkpoint, fetch))
    if not findings:
        findings += _beginnings(checkpoint, fetch, before)
    return Seen(checkpoint, signed), findings


def _tiles(checkpoint: Checkpoint, fetch: Fetch) -> Iterator[Finding]:
    """Entries against leaf hashes, then level by level; of each only the roots of full tiles are kept for the next."""
    size, below = checkpoint.size, list[bytes]()
    try:
        for asked in _level(size, ENTRIES):
            hashes = [merkle.leaf_hash(one) for one in _whole(asked, fetch)]
            if hashes != _whole(Asked(0, asked.n, asked.width), fetch):
                raise _Wrong(Finding(f"tile {tiles.path(asked)}", "does not hold what the leaf hashes are of"))
            if asked.width == tiles.WIDTH:
                below.append(merkle.fold(hashes))
        for level in range(1, MAX_LEVEL + 1):
            above: list[bytes] = []
            for asked in _level(size, level):
                hashes, at = _whole(asked, fetch), asked.n * tiles.WIDTH
                if hashes != below[at : at + asked.width]:
                    raise _Wrong(Finding(f"tile {tiles.path(asked)}", "does not hold the roots of the tiles below it"))
                if asked.width == tiles.WIDTH:
                    above.append(merkle.fold(hashes))
            below = above
        if merkle.root(size, tiles.node_of(_reader(size, fetch))) != checkpoint.root:
            raise _Wrong(Finding("checkpoint", "the tiles add up to another root than the one that is signed"))
    except _Wrong as wrong:
        yield wrong.finding


class _Wrong(Exception):
    """What makes it useless to look further up."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def _level(size: int, level: int) -> Iterator[Asked]:
    full, width = tiles.widths(size, level)
    yield from (Asked(level, n, tiles.WIDTH) for n in range(full))
    if width:
        yield Asked(level, full, width)


def _whole(asked: Asked, fetch: Fetch) -> list[bytes]:
    hashes = fetch(asked)
    if hashes is None or len(hashes) != asked.width * tiles.HASH:
        raise _Wrong(Finding(f"tile {tiles.path(asked)}", "is not there, or not whole"))
    return tiles.split(hashes)


def _beginnings(checkpoint: Checkpoint, fetch: Fetch, before: Iterable[Checkpoint]) -> Iterator[Finding]:
    node = tiles.node_of(_reader(checkpoint.size, fetch))
    for one in before:
        if one.origin != checkpoint.origin:
            yield Finding(f"checkpoint {one.size}", f"is of another log: {one.origin}")
        elif one.size > checkpoint.size:
            yield Finding(f"checkpoint {one.size}", "was shown before, and the log is smaller now")
        elif merkle.root(one.size, node) != one.root:
            yield Finding(f"checkpoint {one.size}", "was shown before, and the log has another history now")


def _reader(size: int, fetch: Fetch) -> tiles.Reader:
    def read(level: int, n: int) -> bytes:
        full, width = tiles.widths(size, level)
        return fetch(Asked(level, n, tiles.WIDTH if n < full else width)) or b""

    return read
