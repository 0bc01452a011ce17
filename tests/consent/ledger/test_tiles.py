"""C2SP tlog-tiles: which tiles a tree has, how they are named, what is in them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.ledger import merkle, tiles
from consent.ledger.tiles import ENTRIES, Asked

ENTRY = [number.to_bytes(32, "big") for number in range(3000)]


def grown(steps: list[int]) -> tuple[dict[tuple[int, int], bytes], list[bytes]]:
    """A tree that grew in these steps; its tiles, and its roots."""
    store: dict[tuple[int, int], bytes] = {}
    roots, size = [], 0
    for step in steps:
        growth = tiles.grow(size, ENTRY[size : size + step], lambda level, n: store[level, n])
        store.update(growth.tiles)
        size = growth.size
        roots.append(growth.root)
    return store, roots


def test_the_tree_of_70000_entries_has_the_tiles_of_the_specification() -> None:
    """ "273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1 tile, one partial level 1 tile
    of width 17, and one partial level 2 tile of width 1"."""
    found = list(tiles.every(70_000))

    def at(level: int) -> list[int]:
        return [one.width for one in found if one.level == level]

    assert at(0) == at(ENTRIES) == [256] * 273 + [112]
    assert at(1) == [256, 17]
    assert at(2) == [1]
    assert at(3) == []


def test_a_tree_of_256_is_a_full_tile_and_one_hash_above_it() -> None:
    """ "a tree of size 256 will be represented by a full level 0 tile and a partial level 1 tile of width 1"."""
    assert [(one.level, one.width) for one in tiles.every(256) if one.level >= 0] == [(0, 256), (1, 1)]
    store, _ = grown([256])
    assert store[1, 0] == merkle.fold(tiles.split(store[0, 0]))


def test_numbers_are_written_in_groups_of_three() -> None:
    """ "index 1234067 will be encoded as x001/x234/067"."""
    assert tiles.path(Asked(0, 1_234_067, 256)) == "0/x001/x234/067"
    assert tiles.path(Asked(ENTRIES, 5, 17)) == "entries/005.p/17"
    assert tiles.parse("2/x001/x234/067.p/255") == Asked(2, 1_234_067, 255)


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "0/", "0/1", "0/0001", "00/001", "0/x000/001", "0/001/002", "0/x001", "0/001.p/0", "0/001.p/256",
        "0/001.p/01", "0/001.p/", "0/001.p", "-1/001", "64/001", "8/000", "entries/x1/000", "0/001/", "/0/001",
        "0/001\n", "0/٠٠١", "0/001.p/1.p/1", "entriesx/000", "0/" + "x001/" * 6 + "001",
    ],
)  # fmt: skip
def test_a_tile_has_one_spelling(text: str) -> None:
    assert tiles.parse(text) is None


@given(st.integers(-1, 7), st.integers(0, 2**40), st.integers(1, 256))
def test_every_address_reads_back(level: int, n: int, width: int) -> None:
    asked = Asked(level, n, width)

    assert tiles.parse(tiles.path(asked)) == asked


@given(st.lists(st.integers(1, 700), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_however_a_tree_grew_it_is_the_same_tree(steps: list[int]) -> None:
    store, roots = grown(steps)
    size = sum(steps)

    once, (root,) = grown([size])

    assert store == once
    assert roots[-1] == root
    for asked in tiles.every(size):
        assert len(store[asked.level, asked.n]) == asked.width * 32
        assert asked.end <= size
    # A tree of before is in the tiles of now.
    before = 0
    for step, seen in zip(steps, roots, strict=True):
        before += step
        assert merkle.root(before, tiles.node_of(lambda level, n: store[level, n])) == seen


def test_entries_are_bundled_with_their_lengths() -> None:
    """ "big-endian uint16 length-prefixed log entries"."""
    served = tiles.bundle(ENTRY[1] + ENTRY[2])

    assert served == b"\x00\x20" + ENTRY[1] + b"\x00\x20" + ENTRY[2]
    assert tiles.unbundle(served) == ENTRY[1] + ENTRY[2]
    for odd in (served[:-1], served + b"\x00", b"\x00\x21" + served[2:], b"\x00\x20"):
        with pytest.raises(ValueError, match="another log"):
            tiles.unbundle(odd)


def test_a_tile_that_is_too_short_is_not_read_as_one() -> None:
    store, _ = grown([300])
    store[0, 1] = store[0, 1][:-32]

    with pytest.raises(LookupError):
        merkle.root(300, tiles.node_of(lambda level, n: store[level, n]))
    with pytest.raises(LookupError):
        tiles.grow(300, ENTRY[:1], lambda level, n: store[level, n])
