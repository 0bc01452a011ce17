"""RFC 9162 section 2.1: by the definitions themselves, for all small trees, and by generation for larger ones."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.ledger import merkle
from consent.ledger.merkle import BadProof

LEAVES = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(600)]


def mth(leaves: list[bytes]) -> bytes:
    """Section 2.1.1, as it is written."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def node(height: int, k: int) -> bytes:
    return merkle.fold(LEAVES[k << height : (k + 1) << height])


ROOTS = {size: mth(LEAVES[:size]) for size in range(len(LEAVES) + 1)}


class TestSection2_1_1:
    def test_the_vectors_of_certificate_transparency(self) -> None:
        """The leaves and the root of the reference implementation's own test data."""
        entries = [
            b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58)),
            bytes(range(0x60, 0x70)),
        ]  # fmt: skip
        leaves = [merkle.leaf_hash(one) for one in entries]

        assert merkle.root(8, lambda h, k: merkle.fold(leaves[k << h : (k + 1) << h])) == bytes.fromhex(
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        )
        assert merkle.EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert leaves[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

    def test_a_root_is_the_definitions_for_every_size(self) -> None:
        assert all(merkle.root(size, node) == ROOTS[size] for size in ROOTS)


class TestSection2_1_3:
    def test_every_leaf_of_every_small_tree_is_proven_and_only_there(self) -> None:
        for size in range(1, 34):
            for index in range(size):
                path = merkle.inclusion(index, size, node)
                merkle.verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])
                for other in range(size):
                    if other != index:
                        with pytest.raises(BadProof):
                            merkle.verify_inclusion(LEAVES[other], index, size, path, ROOTS[size])
                        with pytest.raises(BadProof):
                            merkle.verify_inclusion(LEAVES[index], other, size, path, ROOTS[size])

    @given(st.integers(1, 600), st.data())
    @settings(max_examples=200, deadline=None)
    def test_an_altered_proof_is_refused(self, size: int, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, size - 1))
        path = merkle.inclusion(index, size, node)
        merkle.verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])

        wrong = data.draw(st.sampled_from(altered(path)))

        with pytest.raises(BadProof):
            merkle.verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])

    def test_what_is_outside_of_the_tree_has_no_proof(self) -> None:
        for index, size in ((0, 0), (5, 5), (-1, 5)):
            with pytest.raises(ValueError, match="not in this tree"):
                merkle.inclusion(index, size, node)
            with pytest.raises(BadProof):
                merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


class TestSection2_1_4:
    def test_every_small_tree_is_proven_to_be_the_beginning_of_every_larger_one(self) -> None:
        for second in range(34):
            for first in range(second + 1):
                path = merkle.consistency(first, second, node)
                merkle.verify_consistency(first, second, ROOTS[first], ROOTS[second], path)
                if first:
                    with pytest.raises(BadProof):
                        merkle.verify_consistency(first, second, bytes(32), ROOTS[second], path)
                    with pytest.raises(BadProof):
                        merkle.verify_consistency(first, second, ROOTS[first], bytes(32), path)

    @given(st.integers(2, 600), st.data())
    @settings(max_examples=200, deadline=None)
    def test_an_altered_proof_is_refused(self, second: int, data: st.DataObject) -> None:
        first = data.draw(st.integers(1, second - 1))
        path = merkle.consistency(first, second, node)
        merkle.verify_consistency(first, second, ROOTS[first], ROOTS[second], path)

        wrong = data.draw(st.sampled_from(altered(path)))

        with pytest.raises(BadProof):
            merkle.verify_consistency(first, second, ROOTS[first], ROOTS[second], wrong)

    @given(st.integers(1, 300), st.integers(1, 300))
    @settings(max_examples=200, deadline=None)
    def test_a_tree_with_one_leaf_exchanged_is_never_the_same_history(self, first: int, more: int) -> None:
        second, exchanged = first + more, list(LEAVES)
        exchanged[first - 1] = bytes(32)

        def other(height: int, k: int) -> bytes:
            return merkle.fold(exchanged[k << height : (k + 1) << height])

        path = merkle.consistency(first, second, other)
        with pytest.raises(BadProof):
            merkle.verify_consistency(first, second, ROOTS[first], merkle.root(second, other), path)

    def test_nothing_is_proven_of_a_larger_tree(self) -> None:
        with pytest.raises(ValueError, match="not within"):
            merkle.consistency(6, 5, node)
        with pytest.raises(BadProof):
            merkle.verify_consistency(6, 5, ROOTS[6], ROOTS[5], [])
        with pytest.raises(BadProof):
            merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[5], [bytes(32)])
        with pytest.raises(BadProof):
            merkle.verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])


def altered(path: list[bytes]) -> list[list[bytes]]:
    """One hash changed, dropped, doubled, one more, two exchanged."""
    found = [[*path, bytes(32)], [bytes(32), *path]]
    for at, one in enumerate(path):
        flipped = bytes([one[0] ^ 1]) + one[1:]
        found += [[*path[:at], flipped, *path[at + 1 :]], [*path[:at], *path[at + 1 :]], [*path[:at], one, *path[at:]]]
    found += [[*path[:at], path[at + 1], path[at], *path[at + 2 :]] for at in range(len(path) - 1)]
    return found
