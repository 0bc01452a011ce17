"""The ledger's keys are replaced: old receipts verify, new checkpoints have both signatures, witnesses go on meanwhile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from agency import receipt
from agency.receipt import NotProven
from keys.ring import Ring
from tests.consent.ledger.test_witnesses import at, both, head, keys, said, three, with_policy
from tests.fixtures.house import KEK, START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.inside import Inside
    from tests.fixtures.registry import World
    from tests.fixtures.witnesses import Run, Running

__all__ = ["three", "with_policy"]


@pytest.fixture
def ring(ring_directory: Path, tmp_path: Path) -> Ring:
    """One of its own: the others' keys are not rotated."""
    shutil.copytree(ring_directory, tmp_path / "ring")
    return Ring.open(tmp_path / "ring", KEK, now=START)


async def test_receipts_from_before_and_after_verify_with_what_each_holder_knows(
    world: World, anna: str, three: list[Running], with_policy: Any, run_witness: Run
) -> None:
    with_policy(at(three))
    old = await world.give(anna)
    await both(world)
    before, first = await world.registry.receipt_file(old.receipts[0], anna), keys(world)

    world.ring.ledger.rotate(world.clock.now())
    new = await world.give(world.citizen("bert"))
    await both(world)

    after, second = await world.registry.receipt_file(new.receipts[0], world.citizen("bert")), keys(world)[:2]
    assert set(first) & set(second) == set()
    assert keys(world) == [*second, *first]
    assert said(world) == ["cosigned"] * 3
    assert before is not None
    assert after is not None
    assert receipt.verify(before, first).index < receipt.verify(after, first).index
    assert receipt.verify(after, second)
    with pytest.raises(NotProven, match="not signed by the ledger's key"):
        receipt.verify(before, second)

    world.ring.ledger.rotate(world.clock.now())
    await world.give(world.citizen("chris"))
    await both(world)
    # Two rotations on, who knows the first keys alone is told nothing new.
    assert said(world) == ["unreachable"] * 3
    assert head(world).cosigned_size < head(world).published_size


def test_the_command_tells_the_new_keys_and_leaves_an_act(inside: Inside) -> None:
    before = inside.run("ledger checkpoint")["keys"]

    done = inside.run("ledger rotate-keys")

    assert inside.run("ledger checkpoint")["keys"] == [*done["keys"], *before]
    assert len(done["keys"]) == 2
