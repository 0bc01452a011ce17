"""What is committed gets its place, is signed, is on disk outside of the database, and is published: in this order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import open_checkpoint
from consent.ledger.ledger import Ledger
from consent.permits import Asked
from consent.store import leaves
from consent.store import ledger as store
from tests.consent.ledger.test_leaf import rows

if TYPE_CHECKING:
    from tests.fixtures.registry import World

ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


def head(world: World) -> store.Head:
    found = world.database.read_now(store.head)
    assert found is not None
    return found


def ledger(world: World) -> Ledger:
    return world.registry.ledger


def another(world: World) -> Ledger:
    """As a second process has it (PostgreSQL), or the same one after a restart (SQLite)."""
    return world.another_worker().ledger


async def use(world: World, citizen: str, times: int) -> None:
    sub = world.sub(citizen)
    for _ in range(times):
        await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))


def tree(world: World) -> tuple[int, bytes]:
    """Size and root as the tiles themselves have them."""
    found = {(row["level"], row["n"]): row["hashes"] for row in rows(world, "ledger_tile")}
    entries = b"".join(found[place] for place in sorted(found) if place[0] == tiles.ENTRIES)
    hashes = [merkle.leaf_hash(one) for one in tiles.split(entries)]

    def node(height: int, k: int) -> bytes:
        return merkle.fold(hashes[k << height : (k + 1) << height])

    return len(hashes), merkle.root(len(hashes), node)


class TestRound:
    async def test_every_leaf_goes_into_the_tree_in_the_order_of_the_queue(self, world: World, anna: str) -> None:
        await world.give(anna)
        await use(world, anna, 5)
        waiting = world.database.read_now(leaves.hashes)

        assert await ledger(world).round() == len(waiting)

        size, root = tree(world)
        assert (size, root) == (len(waiting), head(world).root)
        (only,) = [row["hashes"] for row in rows(world, "ledger_tile") if row["level"] == tiles.ENTRIES]
        assert tiles.split(only) == [waiting[seq] for seq in sorted(waiting)]
        assert rows(world, "pending_leaf") == []

    async def test_it_is_signed_by_both_keys_and_named_after_the_house(self, world: World, anna: str) -> None:
        await world.give(anna)
        await ledger(world).round()

        note = ledger(world).publisher.note().decode()

        verifiers = world.ring.ledger.verifiers("localhost:8000/ledger")
        checkpoint, signed = open_checkpoint(note, verifiers, origin="localhost:8000/ledger")
        assert (checkpoint.size, checkpoint.root) == tree(world)
        assert len(signed) == 2

    async def test_nothing_to_do_signs_nothing(self, world: World) -> None:
        await ledger(world).round()
        before = head(world)

        assert await ledger(world).round() == 0
        assert head(world) == before

    async def test_a_house_without_an_event_has_a_checkpoint_too(self, world: World) -> None:
        world.database.write_now(lambda c: c.exec_driver_sql("DELETE FROM pending_leaf"))

        await ledger(world).round()

        assert ledger(world).publisher.size == 0
        assert ledger(world).publisher.note().decode().split("\n")[1] == "0"

    async def test_it_grows_over_tiles(self, world: World, anna: str) -> None:
        await world.give(anna)
        for count in (100, 160, 40, 300):
            await use(world, anna, count)
            await ledger(world).round()

        size, root = tree(world)
        assert (size, root) == (head(world).size, head(world).root)
        assert size > 512
        assert sorted((row["level"], row["n"]) for row in rows(world, "ledger_tile") if row["level"] >= 0) == [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
        ]

    async def test_each_checkpoint_goes_on_from_the_one_before(self, world: World, anna: str) -> None:
        await world.give(anna)
        seen = [(0, merkle.EMPTY)]
        for count in (3, 1, 7, 30):
            await use(world, anna, count)
            await ledger(world).round()
            seen.append((head(world).size, head(world).root))

        for first, first_root in seen:
            for second, second_root in seen:
                if first <= second:
                    path = world.database.read_now(
                        lambda c, a=first, b=second: ledger(world).publisher.consistency(c, a, b)
                    )
                    merkle.verify_consistency(first, second, first_root, second_root, path)


class Died(Exception):
    pass


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The process ends before a step of the sequencer begins."""

    def before(target: Any, name: str) -> None:
        def stop(*_: object, **__: object) -> None:
            raise Died

        monkeypatch.setattr(target, name, stop)

    return before


class TestProcessDies:
    """Each step says what is true if the process dies there; recovering is the next round."""

    async def test_after_staging_nothing_is_published_and_the_same_checkpoint_is_afterwards(
        self, world: World, anna: str, dies: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await ledger(world).round()
        published = ledger(world).publisher.note()
        recorded = await world.give(anna)
        await world.registry.withdraw(recorded.consents[0], anna)
        dies(ledger(world).journal, "append")
        with pytest.raises(Died):
            await ledger(world).round()
        staged = head(world)
        assert staged.size > staged.published_size
        monkeypatch.undo()

        world.clock.advance(3)
        after = another(world)
        assert after.publisher.note() == b""
        await after.round()

        assert head(world).published_note == staged.note != published.decode()
        last = after.journal.last()
        assert last.note == staged.note
        # What must not be undone is in the journal, though another process wrote it.
        assert last.tells == [f"ended {recorded.consents[0]}"]
        assert [merkle.leaf_hash(one) for one in tiles.split(last.entries)] != []

    async def test_after_the_journal_the_next_round_publishes_what_it_says(
        self, world: World, anna: str, dies: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await ledger(world).round()
        await world.give(anna)
        dies(store, "publish")
        with pytest.raises(Died):
            await ledger(world).round()
        staged = head(world)
        assert ledger(world).journal.last().note == staged.note
        assert staged.published_size < staged.size
        monkeypatch.undo()

        world.clock.advance(3)
        await another(world).round()

        assert head(world).published_note == staged.note
        assert tree(world) == (staged.size, staged.root)

    async def test_a_stage_that_is_not_committed_leaves_everything_as_it_was(
        self, world: World, anna: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await ledger(world).round()
        await world.give(anna)
        before, waiting = head(world), rows(world, "pending_leaf")

        def moved(*_: object, **__: object) -> bool:
            return False

        monkeypatch.setattr(store, "swap", moved)
        with pytest.raises(RuntimeError):
            await ledger(world).round()

        assert (head(world), rows(world, "pending_leaf")) == (before, waiting)
        assert ledger(world).journal.last().checkpoint.size == before.size


class TestSeveralProcesses:
    async def test_of_many_one_sequences_and_all_show_the_same(self, world: World, anna: str) -> None:
        await world.give(anna)
        workers = [ledger(world), another(world), another(world)]

        for _ in range(4):
            await asyncio.gather(*(use(world, anna, 5) for _ in range(3)), *(one.round() for one in workers))
        world.clock.advance(5)
        for one in workers:
            await one.round()

        assert tree(world) == (head(world).size, head(world).root)
        assert rows(world, "pending_leaf") == []
        assert len({one.publisher.note() for one in workers}) == 1
        size = 0
        for batch in world.database.read_now(lambda c: list(store.batches(c))):
            assert batch.first == size
            size = batch.size
        assert size == head(world).size

    async def test_one_that_holds_the_lease_and_stops_is_followed_by_another(self, world: World, anna: str) -> None:
        if world.backend.name == "sqlite":
            pytest.skip("SQLite has one process")
        await world.give(anna)
        first, second = ledger(world), another(world)
        await first.round()
        await use(world, anna, 1)

        assert await second.round() == 0
        world.clock.advance(3)
        assert await second.round() == 1

    async def test_a_slow_one_writes_nothing_into_the_journal_after_a_fast_one(self, world: World, anna: str) -> None:
        await world.give(anna)
        slow, fast = ledger(world), another(world)
        staged = await world.database.write(slow.sequencer._stage)
        world.clock.advance(5)
        await fast.round()
        await use(world, anna, 3)
        await fast.round()
        newest = fast.journal.last()

        slow.journal.append(staged.line)
        await world.database.write(lambda c: store.publish(c, staged.size, staged.line.note))

        assert slow.journal.last().note == newest.note
        assert head(world).published_note == newest.note


class TestLate:
    async def test_a_leaf_that_was_numbered_early_and_committed_late_has_its_proof(
        self, world: World, anna: str
    ) -> None:
        """PostgreSQL numbers before the commit: the queue's order is not the commits' order."""
        await world.give(anna)
        await use(world, anna, 3)
        late = rows(world, "data_use")[0]
        waiting = next(row for row in rows(world, "pending_leaf") if row["seq"] == late["leaf_seq"])
        world.database.write_now(
            lambda c: c.exec_driver_sql(f"DELETE FROM pending_leaf WHERE seq = {late['leaf_seq']}")
        )
        await ledger(world).round()
        await use(world, anna, 2)
        await ledger(world).round()
        from consent.store.tables import pending_leaf

        await world.database.write(lambda c: c.execute(pending_leaf.insert(), waiting))
        await use(world, anna, 2)
        await ledger(world).round()

        proof = world.database.read_now(lambda c: ledger(world).publisher.inclusion(c, late["leaf"], late["leaf_seq"]))

        merkle.verify_inclusion(
            merkle.leaf_hash(waiting["commitment"]),
            proof.index,
            proof.checkpoint.size,
            proof.path,
            proof.checkpoint.root,
        )
