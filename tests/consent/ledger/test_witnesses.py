"""The house asks its witnesses, and hears what they say against it (C2SP tlog-witness, from the log's side)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from agency import receipt
from base.settings import Settings
from base.web import frame
from consent.app import Consent
from consent.ledger.ledger import Ledger
from consent.ledger.reconcile import NotReconciled
from consent.permits import Asked
from consent.store import ledger as store
from keys.notes import COSIGNATURE, Signer
from tests.faults.test_restored_backup import Backups, backups, check, reconciled
from tests.fixtures.listener import Listener, answer
from tests.fixtures.witnesses import Run, Running

if TYPE_CHECKING:
    from tests.fixtures.registry import World

__all__ = ["backups"]
ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


def keys(world: World) -> list[str]:
    return [one.vkey for one in world.ring.ledger.verifiers("localhost:8000/ledger")]


def settings(world: World, file: Path, urls: dict[str, tuple[str, str]], quorum: str) -> Settings:
    lines = [f"witness {name} {vkey} {url}" for name, (vkey, url) in urls.items()]
    file.write_text(
        "\n".join([*lines, *([f"group all-of-them {quorum} {' '.join(urls)}"] if urls else []), "quorum all-of-them\n"])
    )
    return world.backend.settings(ledger_policy=file)


@pytest.fixture
def three(run_witness: Run, world: World) -> list[Running]:
    return [run_witness(name, keys(world)) for name in ("one", "two", "three")]


@pytest.fixture
def with_policy(world: World, tmp_path: Path) -> Callable[..., None]:
    """From now on the house has these witnesses, of whom two are enough."""

    def put(urls: list[tuple[str, str]], quorum: str = "2") -> None:
        named = {f"w{n}": one for n, one in enumerate(urls)}
        world.settings = settings(world, tmp_path / "policy", named, quorum)
        world.consent = Consent(world.settings, world.database, world.ring, world.clock)

    return put


def at(witnesses: list[Running]) -> list[tuple[str, str]]:
    return [(one.vkey, one.url) for one in witnesses]


async def both(world: World) -> None:
    """Sequence what waits, and show it."""
    world.clock.advance(15)
    await ledger(world).round()
    await ledger(world).witnesses.round()


def ledger(world: World) -> Ledger:
    return world.registry.ledger


def head(world: World) -> store.Head:
    found = world.database.read_now(store.head)
    assert found is not None
    return found


def said(world: World) -> list[str]:
    return [one["said"] for one in world.database.read_now(store.witnesses)]


class TestCosigned:
    async def test_a_receipt_proves_with_two_of_three_what_no_split_view_can(
        self, world: World, anna: str, three: list[Running], with_policy: Any
    ) -> None:
        """M-03, M-19: receipt, inclusion proof and two of three cosignatures, offline."""
        with_policy(at(three))
        recorded = await world.give(anna)
        await both(world)

        file = await world.registry.receipt_file(recorded.receipts[0], anna)

        assert file is not None
        proven = receipt.verify(file, keys(world), witnesses=[one.vkey for one in three], quorum=2)
        assert len(proven.cosigned_by) == 3
        assert ledger(world).publisher.note() == ledger(world).publisher.cosigned()
        assert said(world) == ["cosigned"] * 3

    async def test_they_follow_as_it_grows(
        self, world: World, anna: str, three: list[Running], with_policy: Any
    ) -> None:
        with_policy(at(three))
        await world.give(anna)
        for times in (1, 260, 3):
            for _ in range(times):
                await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(anna)))
            await both(world)

            assert head(world).cosigned_size == head(world).published_size == head(world).size
        assert await ledger(world).witnesses.round() is False

    async def test_one_that_is_away_is_not_waited_for_and_comes_back(
        self, world: World, anna: str, three: list[Running], with_policy: Any, run_witness: Run
    ) -> None:
        with_policy([*at(three[:2]), (three[2].vkey, "http://127.0.0.1:9")])
        await world.give(anna)
        await both(world)
        assert (head(world).cosigned_size, said(world)) == (head(world).size, ["cosigned", "cosigned", "unreachable"])

        with_policy(at(three))
        await world.give(world.citizen("bert"))
        await both(world)
        # It was asked with size 0, said where it was, and followed.
        assert said(world) == ["cosigned"] * 3

    async def test_too_few_are_not_shown_as_enough(
        self, world: World, anna: str, three: list[Running], with_policy: Any
    ) -> None:
        with_policy([at(three)[0], (three[1].vkey, "http://127.0.0.1:9"), (three[2].vkey, "http://127.0.0.1:9")])
        recorded = await world.give(anna)
        await both(world)

        assert head(world).cosigned_note == ""
        file = await world.registry.receipt_file(recorded.receipts[0], anna)
        assert file is not None
        assert receipt.verify(file, keys(world)).cosigned_by == ()
        assert await check(world, anna) == ("allowed", "consent")

    async def test_what_an_impostor_answers_is_not_kept(
        self, world: World, anna: str, three: list[Running], with_policy: Any
    ) -> None:
        """A signature of another key, of another checkpoint, and no signature at all."""
        await world.give(anna)
        await ledger(world).round()
        note = head(world).published_note
        wrong = three[2].witness.add_checkpoint(f"old 0\n\n{note}".encode())
        for body in (wrong.encode(), b"", b"\xff", b"\xe2\x80\x94 x AAAAAAAAAA\n"):
            async with Listener(lambda _, b=body: answer(b, kind="text/plain")).running() as impostor:
                with_policy([(three[0].vkey, f"http://127.0.0.1:{impostor.port}")], quorum="1")
                await both(world)

            assert (head(world).cosigned_note, said(world)) == ("", ["unreachable"])

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_one_that_signs_more_than_it_was_shown_does_not_get_into_receipts(
        self, world: World, anna: str, with_policy: Any
    ) -> None:
        """Its own key, and its signature holds: of our checkpoint with a line of its own. In a receipt it would not."""
        liar = Signer("w.example/liar", COSIGNATURE, ed25519.Ed25519PrivateKey.generate())
        recorded = await world.give(anna)
        await ledger(world).round()
        more = f"{head(world).published_note}and more\n"
        body = f"and more\n\n{liar.line(more, 5)}".encode()
        async with Listener(lambda _: answer(body, kind="text/plain")).running() as there:
            with_policy([(liar.verifier.vkey, f"http://127.0.0.1:{there.port}")], quorum="1")
            await both(world)

        assert (head(world).cosigned_note, said(world)) == ("", ["unreachable"])
        file = await world.registry.receipt_file(recorded.receipts[0], anna)
        assert file is not None
        with pytest.raises(receipt.NotProven, match="0 of the witnesses"):
            receipt.verify(file, keys(world), witnesses=[liar.verifier.vkey])


class TestAgainst:
    """A backup with its journal: the house alone cannot know that it is older than what left it."""

    @pytest.fixture
    async def restored(self, world: World, anna: str, backups: Backups, three: list[Running], with_policy: Any) -> Any:
        with_policy(at(three))
        recorded = await world.give(anna)
        await both(world)
        backup, journal = backups.make(), world.backend.directory / "ledger"
        shutil.copytree(journal, world.backend.directory / "yesterday")
        await world.registry.withdraw(recorded.consents[1], anna)
        await both(world)
        backups.put_back(backup)
        shutil.rmtree(journal)
        shutil.copytree(world.backend.directory / "yesterday", journal)
        return recorded

    async def test_the_witnesses_remember_and_nothing_is_allowed(self, world: World, anna: str, restored: Any) -> None:
        """F-10, F-27, N1: restored whole, journal and all, before anything else is done."""
        await ledger(world).start()
        try:
            assert await check(world, anna) == ("denied", "unreconciled")
            assert ledger(world).fence.reason == "witness_ahead"
            with pytest.raises(NotReconciled, match="as-new-log"):
                reconciled(world)
            report = reconciled(world, as_new_log=True)
        finally:
            await ledger(world).stop()

        assert (report.way, report.reason) == ("new log", "witness_ahead")
        assert await check(world, anna) == ("denied", "withdrawn")
        assert said(world) == []

    async def test_another_worker_hears_of_it(self, world: World, anna: str, restored: Any) -> None:
        await ledger(world).witnesses.round(first=True)

        assert world.database.read_now(world.another_worker().ledger.fence.prove) == "witness_ahead"

    async def test_a_history_that_went_another_way_is_told(self, world: World, anna: str, restored: Any) -> None:
        """Restored and gone on before the witnesses could be reached: a fork, which none of them cosigns."""
        await world.give(world.citizen("bert"))
        await world.give(world.citizen("chris"))
        await both(world)

        assert said(world) == ["forked"] * 3
        assert ledger(world).fence.reason == "witness_forked"
        assert await check(world, world.citizen("bert")) == ("denied", "unreconciled")

    async def test_one_alone_cannot_close_the_house(
        self, world: World, anna: str, three: list[Running], with_policy: Any
    ) -> None:
        """A witness that lies, or is broken, is not believed against two that cosign."""
        async with Listener(
            lambda _: answer(b"99999\n", status="409 Conflict", kind="text/x.tlog.size")
        ).running() as liar:
            with_policy([*at(three[:2]), (three[2].vkey, f"http://127.0.0.1:{liar.port}")])
            await world.give(anna)
            await both(world)

        assert said(world) == ["cosigned", "cosigned", "ahead"]
        assert head(world).cosigned_size == head(world).size
        assert await check(world, anna) == ("allowed", "consent")


async def test_what_is_cosigned_is_served(world: World, anna: str, three: list[Running], with_policy: Any) -> None:
    with_policy(at(three))
    await world.give(anna)
    await both(world)
    world.frame = frame(world.consent.log(), world.settings)
    async with world.client(None) as client:
        cosigned, newest = await client.get("/ledger/cosigned"), await client.get("/ledger/checkpoint")

    assert cosigned.text == newest.text
    assert cosigned.text.count("— witness.example/") == 3
    assert cosigned.headers["content-type"] == "text/plain; charset=utf-8"
