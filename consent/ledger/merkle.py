"""Merkle trees as RFC 9162 section 2.1 has them: roots, proofs, and checking proofs. Pure.

A tree is known by `Node`: the hash of the complete subtree of 2**height leaves that is the k-th from the left. Where it
comes from (tiles, a list) is the caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

Node = Callable[[int, int], bytes]
"""From height and place to the hash of a complete subtree; height 0 are the leaf hashes."""

EMPTY = hashlib.sha256().digest()
"""The root of the tree without leaves."""
MAX_PATH = 63
"""Hashes in a proof that we read at all: a tree has fewer than 2**63 leaves."""


class BadProof(Exception):
    """What was shown does not prove it."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root of a complete subtree from its lowest hashes, a power of two of them."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[n], level[n + 1]) for n in range(0, len(level), 2)]
    return level[0]


def root(size: int, node: Node) -> bytes:
    """Merkle Tree Hash of the first `size` leaves (section 2.1.1)."""
    return _range(0, size, node) if size else EMPTY


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """The path from the leaf at `index` to the root of the first `size` leaves (section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in this tree")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start = middle
    return path[::-1]


def consistency(first: int, second: int, node: Node) -> list[bytes]:
    """The proof that the first `second` leaves begin with the first `first` (section 2.1.4.1). Empty from 0 or to itself."""
    if not 0 <= first <= second:
        raise ValueError("the first tree is not within the second")
    if first in (0, second):
        return []
    path, start, end, whole = [], 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(_range(start, end, node))
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to (section 2.1.3.2). BadProof when its length does not fit."""
    if not 0 <= index < size:
        raise BadProof("the leaf is not in this tree")
    sides = list(_sides(index, size - 1))
    if len(sides) != len(path):
        raise BadProof("the path has not its length")
    for left, sibling in zip(sides, path, strict=True):
        leaf = node_hash(sibling, leaf) if left else node_hash(leaf, sibling)
    return leaf


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes) -> None:
    """BadProof unless the leaf is at `index` of the tree with this size and root."""
    if root_from_inclusion(leaf, index, size, path) != root_hash:
        raise BadProof("the path leads to another root")


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> None:
    """BadProof unless the second tree begins with the first (section 2.1.4.2)."""
    if not 0 <= first <= second:
        raise BadProof("the first tree is not within the second")
    if first in (0, second):
        if path:
            raise BadProof("nothing is to be proven, and something is shown")
        if first_root != (second_root if first == second else EMPTY):
            raise BadProof("two trees of one size with two roots")
    elif _roots_from_consistency(first, second, first_root, path) != (first_root, second_root):
        raise BadProof("the path does not lead from one root to the other")


def _roots_from_consistency(first: int, second: int, first_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    # A first tree that is complete is its own node: the proof leaves it out.
    shown = [first_root, *path] if first & (first - 1) == 0 else list(path)
    sides = list(_sides(place, last))
    if len(shown) != len(sides) + 1:
        raise BadProof("the path has not its length")
    old = new = shown[0]
    for left, sibling in zip(sides, shown[1:], strict=True):
        if left:
            old = node_hash(sibling, old)
        new = node_hash(sibling, new) if left else node_hash(new, sibling)
    return old, new


def _sides(place: int, last: int) -> Iterator[bool]:
    """On the way from a place among the leaves to the root: whether its sibling stands on the left, where it has one."""
    while last > 0:
        left = bool(place & 1) or place == last
        yield left
        while left and not place & 1 and place:
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1


def _range(start: int, end: int, node: Node) -> bytes:
    """MTH of the leaves from `start` to `end`, which begin where a subtree as large may begin."""
    length = end - start
    if length & (length - 1) == 0:
        height = length.bit_length() - 1
        return node(height, start >> height)
    middle = start + _split(length)
    return node_hash(_range(start, middle, node), _range(middle, end, node))


def _split(length: int) -> int:
    """The largest power of two below `length`."""
    return 1 << ((length - 1).bit_length() - 1)
