"""Proofs of the ledger before verifiers that are not ours: they accept each, and refuse it once anything is altered."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from consent.permits import Asked
from tests.spec.test_c2sp_tlog_tiles import checkpoint, grow
from tests.spec.test_rfc9162 import LEAVES, ROOTS, altered, merkle, node

if TYPE_CHECKING:
    from tests.fixtures.registry import World

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("node") is None, reason="nodejs is not installed"),
]
HERE = Path(__file__).resolve().parent
ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
OTHER = bytes(32)
SIZES = (*range(1, 34), 255, 256, 257, 600)
"""Trees whose every shape of proof is shown, and some around a tile."""

Case = list[Any]


def verdicts(cases: list[Case], key: str = "") -> list[bool]:
    """What Node finds of each (tests/interop/ledger.mjs)."""
    asked = json.dumps({"key": key, "cases": cases}, default=lambda raw: base64.b64encode(raw).decode())
    command = ["node", "ledger.mjs"]
    done = subprocess.run(command, cwd=HERE, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[bool] = json.loads(done.stdout)
    assert len(found) == len(cases)
    return found


def by_pymerkle(cases: list[Case]) -> tuple[list[bytes], list[bool]]:
    """The roots that it finds for each size, and what it finds of each case (tests/interop/other_tree.py)."""
    entries = [number.to_bytes(4, "big") for number in range(len(LEAVES))]
    asked = json.dumps({"entries": entries, "cases": cases}, default=lambda raw: raw.hex())
    command = [sys.executable, HERE / "other_tree.py"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["verdicts"]) == len(cases)
    return [bytes.fromhex(one) for one in found["roots"]], found["verdicts"]


def inclusions(size: int) -> Iterator[tuple[int, list[bytes]]]:
    for index in range(size) if size < 34 else {0, 1, size // 2, 255 % size, size - 2, size - 1}:
        yield index, merkle.inclusion(index, size, node)


def consistencies(second: int) -> Iterator[tuple[int, list[bytes]]]:
    for first in range(1, second) if second < 34 else {1, 2, 128, 200, second - 2, second - 1}:
        yield first, merkle.consistency(first, second, node)


def test_each_inclusion_is_accepted_and_nothing_altered_is() -> None:
    """RFC 9162 section 2.1.3: the hash, the place, the path and the root are each what is proven."""
    right = [["inclusion", LEAVES[at], at, size, path, ROOTS[size]] for size in SIZES for at, path in inclusions(size)]
    wrong = [
        case
        for kind, leaf, at, size, path, root in right
        for case in (
            [kind, OTHER, at, size, path, root],
            [kind, leaf, at, size, path, OTHER],
            [kind, leaf, at + 1, size, path, root],
            [kind, leaf, size, size, path, root],
            *([kind, leaf, at, size, one, root] for one in altered(path)),
        )
    ]

    assert len(right) > 500
    assert all(verdicts(right))
    assert not any(verdicts(wrong))


def test_pymerkle_makes_the_same_tree_and_accepts_each_inclusion_and_nothing_altered() -> None:
    """Its proofs of consistency have another form than RFC 9162's: those are Node's to verify."""
    right = [[LEAVES[at], at, size, path, ROOTS[size]] for size in SIZES for at, path in inclusions(size)]
    wrong = [
        case
        for leaf, at, size, path, root in right
        for case in (
            [OTHER, at, size, path, root],
            [leaf, at, size, path, OTHER],
            *([leaf, at, size, one, root] for one in altered(path)),
        )
    ]

    roots, found = by_pymerkle(right + wrong)

    assert roots == [merkle.root(size, node) for size in range(1, len(LEAVES) + 1)]
    assert all(found[: len(right)])
    assert not any(found[len(right) :])


def test_each_consistency_is_accepted_and_nothing_altered_is() -> None:
    """RFC 9162 section 2.1.4: both roots and the path are what is proven."""
    right = [
        ["consistency", first, second, ROOTS[first], ROOTS[second], path]
        for second in SIZES
        for first, path in consistencies(second)
    ]
    wrong = [
        case
        for kind, first, second, old, new, path in right
        for case in (
            [kind, first, second, OTHER, new, path],
            [kind, first, second, old, OTHER, path],
            [kind, first, second, new, old, path],
            *([kind, first, second, old, new, one] for one in altered(path)),
        )
    ]

    assert len(right) > 500
    assert all(verdicts(right))
    assert not any(verdicts(wrong))


async def test_what_the_registry_itself_serves_is_accepted(world: World, anna: str) -> None:
    """A consent's receipt, a permit's inclusion and the way between two checkpoints, over more than one tile."""
    recorded = await world.give(anna)
    done = await grow(world, anna, 20)
    leaf, key = done.outcome.leaf, world.ring.ledger.verifiers("localhost:8000/ledger")[0].vkey
    async with world.client(None) as client:
        first = await checkpoint(client)
        await world.database.write(
            lambda c: [world.registry.permit_unit(c, ASKED, world.sub(anna)) for _ in range(250)]
        )
        await world.registry.ledger.round()
        second = await checkpoint(client)
        sizes = {"first": first.size, "second": second.size}
        way = (await client.get("/ledger/proofs/consistency", params=sizes)).json()["consistency_path"]
        asked = {"leaf_hash": leaf.hash, "seq": leaf.seq}
        proof = (await client.get("/ledger/proofs/inclusion", params=asked)).json()
    hashed = base64.urlsafe_b64decode(leaf.hash + "=")
    place = [proof["log_index"], proof["tree_size"], proof["inclusion_path"], second.root]
    file = (await world.registry.receipt_file(recorded.receipts[0], anna)).decode()
    right = [
        ["receipt", file],
        ["inclusion", hashed, *place],
        ["consistency", first.size, second.size, first.root, second.root, way],
    ]
    told = json.loads(file)
    wrong = [
        {**told, "entry": told["entry"].replace('"given"', '"refused"')},
        {**told, "salt": base64.urlsafe_b64encode(OTHER).decode().rstrip("=")},
        {**told, "proof": told["proof"].replace(f"\n{second.size}\n", f"\n{second.size + 1}\n")},
        {**told, "proof": told["proof"].replace("\nindex ", "\nindex 1")},
        {**told, "proof": told["proof"].replace("localhost:8000/ledger\n", "localhost:8000/ledger/2\n", 1)},
    ]

    assert second.size > 256 > first.size
    assert verdicts(right, key) == [True, True, True]
    assert all(one != told for one in wrong)
    assert not any(verdicts([["receipt", json.dumps(one)] for one in wrong], key))
