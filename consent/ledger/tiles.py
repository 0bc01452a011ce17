"""The tree as tiles of 256 hashes, and its entries as bundles (C2SP tlog-tiles). Pure.

Level -1 (`ENTRIES`) holds the entries themselves: each is a 32-byte commitment, so that they lie in tiles as hashes do.
Level 0 holds leaf hashes; a hash of level 1 and up is the root of a full tile one level below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from consent.ledger import merkle
from consent.ledger.merkle import Node

HASH = 32
WIDTH = 256
TILE = WIDTH * HASH
"""Bytes of a full tile."""
ENTRIES = -1
MAX_LEVEL = 7
"""256**8 leaves are more than a tree of ours will hold."""
MAX_N = 2**48

Place = tuple[int, int]
"""Level and number of a tile."""
Reader = Callable[[int, int], bytes]
"""From a tile's place to its hashes, as many as there are."""

_PATH = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """One tile as its address names it. `width`: hashes, 256 of a full one."""

    level: int
    n: int
    width: int

    @property
    def end(self) -> int:
        """The leaves up to which a tree must reach to have this tile."""
        return (self.n * WIDTH + self.width) << (8 * max(self.level, 0))


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree that has grown. `tiles`: those that are new or fuller, whole."""

    size: int
    root: bytes
    tiles: Mapping[Place, bytes]


def path(asked: Asked) -> str:
    """`<L>/<N>[.p/<W>]`, the number in groups of three digits."""
    groups = [f"{asked.n % 1000:03d}"]
    rest = asked.n // 1000
    while rest:
        groups.append(f"x{rest % 1000:03d}")
        rest //= 1000
    level = "entries" if asked.level == ENTRIES else str(asked.level)
    partial = f".p/{asked.width}" if asked.width < WIDTH else ""
    return f"{level}/{'/'.join(reversed(groups))}{partial}"


def parse(text: str) -> Asked | None:
    """None for what is not the one spelling of a tile's path."""
    found = _PATH.match(text)
    if found is None:
        return None
    level = ENTRIES if found[1] == "entries" else int(found[1])
    n = int(found[2].replace("/", "").replace("x", ""))
    asked = Asked(level, n, int(found[3] or WIDTH))
    usual = level <= MAX_LEVEL and n < MAX_N and (found[3] is None or asked.width < WIDTH)
    return asked if usual and path(asked) == text else None


def widths(size: int, level: int) -> tuple[int, int]:
    """Full tiles at this level of a tree of `size` leaves, and the hashes of the partial one behind them."""
    return divmod(size >> (8 * max(level, 0)), WIDTH)


def every(size: int) -> Iterable[Asked]:
    """All tiles of a tree, from the entries upwards."""
    for level in range(ENTRIES, MAX_LEVEL + 1):
        full, width = widths(size, level)
        yield from (Asked(level, n, WIDTH) for n in range(full))
        if width:
            yield Asked(level, full, width)


def edge(size: int) -> list[Place]:
    """The partial tiles at the right edge, which grow next."""
    return [(one.level, one.n) for level in range(ENTRIES, MAX_LEVEL + 1) for one in _partial(size, level)]


def bundle(entries: bytes) -> bytes:
    """Entries as they are served: each with its length before it, two bytes."""
    length = HASH.to_bytes(2, "big")
    return b"".join(length + entries[at : at + HASH] for at in range(0, len(entries), HASH))


def unbundle(served: bytes) -> bytes:
    """The inverse. ValueError for entries of another length than ours."""
    step = HASH + 2
    pieces = [served[at : at + step] for at in range(0, len(served), step)]
    if any(len(one) != step or one[:2] != HASH.to_bytes(2, "big") for one in pieces):
        raise ValueError("an entry bundle of another log")
    return b"".join(one[2:] for one in pieces)


def grow(size: int, entries: Sequence[bytes], read: Reader) -> Growth:
    """Append entries to a tree of `size` leaves. `read`: the partial tiles at its edge; nothing else is asked for."""
    grown: dict[Place, bytes] = {}
    _append(grown, ENTRIES, size, entries, read)
    hashes, level, at = [merkle.leaf_hash(one) for one in entries], 0, size
    while hashes:
        full = _append(grown, level, at, hashes, read)
        hashes, level, at = [merkle.fold(split(one)) for one in full], level + 1, at // WIDTH
    new = size + len(entries)

    def latest(level: int, n: int) -> bytes:
        return grown[level, n] if (level, n) in grown else read(level, n)

    return Growth(new, merkle.root(new, node_of(latest)), grown)


def node_of(read: Reader) -> Node:
    """The tree's nodes, from its tiles."""

    def node(height: int, k: int) -> bytes:
        level, up = divmod(height, 8)
        first = k << up
        tile = read(level, first // WIDTH)
        at = first % WIDTH * HASH
        hashes = tile[at : at + (HASH << up)]
        if len(hashes) != HASH << up:
            raise LookupError("the tile does not reach that far")
        return merkle.fold(split(hashes))

    return node


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


def _partial(size: int, level: int) -> list[Asked]:
    full, width = widths(size, level)
    return [Asked(level, full, width)] if width else []


def _append(grown: dict[Place, bytes], level: int, at: int, hashes: Sequence[bytes], read: Reader) -> list[bytes]:
    """Put hashes behind the `at` there are at this level; answers the tiles that became full."""
    n, have = divmod(at, WIDTH)
    content = (read(level, n)[: have * HASH] if have else b"") + b"".join(hashes)
    if have and len(content) != (have + len(hashes)) * HASH:
        raise LookupError("the edge of the tree is not as long as the tree")
    full = []
    for start in range(0, len(content), TILE):
        tile = content[start : start + TILE]
        grown[level, n] = tile
        n += 1
        if len(tile) == TILE:
            full.append(tile)
    return full
