"""F-27, F-10, M-14: yesterday's backup is put back, and what was withdrawn since stays withdrawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from base.ids import identifier
from consent import forgetting
from consent.app import Consent
from consent.interface import PermitRefused
from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import open_checkpoint
from consent.ledger.reconcile import NotReconciled, Report, reconcile
from consent.permits import Asked
from consent.store import ledger as store
from tests.consent.ledger.test_leaf import rows

if TYPE_CHECKING:
    from tests.fixtures.registry import World

ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
NEW = "localhost:8000/ledger/2"


class Backups:
    """Copies of the registry's database, of either kind; a restart opens what is there then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.names: list[str] = []

    def make(self) -> str:
        name = f"backup_{identifier()}"
        self.world.database.close()
        if self.world.backend.name == "sqlite":
            shutil.copy(self._file(), self.world.backend.directory / name)
        else:
            self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{self._database()}"')
            self.names.append(name)
        self.start()
        return name

    def put_back(self, name: str) -> None:
        self.world.database.close()
        if self.world.backend.name == "sqlite":
            for rest in ("-wal", "-shm"):
                self._file().with_name(f"consent.db{rest}").unlink(missing_ok=True)
            shutil.copy(self.world.backend.directory / name, self._file())
        else:
            self._administer(f'DROP DATABASE "{self._database()}" WITH (FORCE)')
            self._administer(f'CREATE DATABASE "{self._database()}" TEMPLATE "{name}"')
        self.start()

    def restart(self) -> None:
        self.world.database.close()
        self.start()

    def start(self) -> None:
        world = self.world
        world.database = world.backend.open("consent")
        world.consent = Consent(world.settings, world.database, world.ring, world.clock)

    def close(self) -> None:
        for name in self.names:
            self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _file(self) -> Any:
        return self.world.backend.directory / "consent.db"

    def _database(self) -> str:
        return str(make_url(self.world.backend.url).database)

    def _administer(self, statement: str) -> None:
        engine = create_engine(make_url(self.world.backend.url).set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture
def backups(world: World) -> Any:
    made = Backups(world)
    yield made
    made.close()


async def round_(world: World) -> None:
    world.clock.advance(5)
    await world.registry.ledger.round()


async def check(world: World, citizen: str, category: str = "income") -> tuple[str, str]:
    done = await world.registry.check(
        agency="municipality", sub=world.sub(citizen), purpose="housing-benefit", data=[category]
    )
    return done.decision.decision, done.decision.reason


async def permit(world: World, citizen: str) -> Any:
    return await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(citizen)))


def reconciled(world: World, **how: bool) -> Report:
    return reconcile(
        world.database,
        world.registry.ledger,
        issuer=world.settings.issuer,
        pseudonyms=world.ring.pseudonyms,
        now=world.clock.now(),
        **how,
    )


def whole(world: World) -> None:
    """The tiles add up to the signed root, and the checkpoint verifies."""
    head = world.database.read_now(store.head)
    found = {(row["level"], row["n"]): row["hashes"] for row in rows(world, "ledger_tile")}
    assert merkle.root(head.size, tiles.node_of(lambda level, n: found[level, n])) == head.root
    verifiers = world.ring.ledger.verifiers(head.origin)
    assert open_checkpoint(head.published_note, verifiers, origin=head.origin)[0].size == head.published_size


class TestYesterday:
    """Given, backed up, withdrawn, put back."""

    @pytest.fixture
    async def restored(self, world: World, anna: str, backups: Backups) -> Any:
        recorded = await world.give(anna)
        await world.give(world.citizen("bert"))
        await round_(world)
        backup = backups.make()
        await world.registry.withdraw(recorded.consents[1], anna)
        await world.give(world.citizen("chris"))
        await round_(world)
        published = world.registry.ledger.publisher.note().decode()
        backups.put_back(backup)
        return recorded, published

    async def test_nothing_is_allowed_to_anyone(self, world: World, anna: str, restored: Any) -> None:
        for citizen in (anna, world.citizen("bert"), world.citizen("nobody")):
            assert await check(world, citizen) == ("denied", "unreconciled")
        done = await permit(world, world.citizen("bert"))
        assert (done.permit, done.outcome.decision.reason) == (None, "unreconciled")
        released = await world.registry.release(
            citizen=world.citizen("bert"),
            agency="municipality",
            purpose="housing-benefit",
            categories=frozenset({"address"}),
        )
        assert released == frozenset()

    async def test_the_denied_attempts_are_in_the_history(self, world: World, anna: str, restored: Any) -> None:
        await permit(world, anna)

        (line,) = (await world.registry.history(anna)).uses
        assert (line.decision, line.reason) == ("denied", "unreconciled")

    async def test_withdrawing_works(self, world: World, anna: str, restored: Any) -> None:
        recorded, _ = restored

        done = await world.registry.withdraw(recorded.consents[0], anna)

        assert done is not None
        assert (await world.registry.consent(recorded.consents[0], anna)).state == "withdrawn"

    async def test_nothing_is_signed_or_shown(self, world: World, anna: str, restored: Any) -> None:
        before = world.database.read_now(store.head)
        await permit(world, anna)
        await round_(world)

        assert world.database.read_now(store.head) == before
        async with _client(world) as client:
            for path in ("checkpoint", "tile/0/000", "proofs/consistency?first=1&second=1"):
                assert (await client.get(f"/ledger/{path}")).status_code == 503
            assert (await client.get("/ledger/key")).status_code == 200

    async def test_reconciling_ends_what_had_ended_and_nothing_else(
        self, world: World, anna: str, restored: Any
    ) -> None:
        recorded, published = restored

        report = reconciled(world)

        assert (report.way, report.reason, report.ended) == ("replay", "database_older", 1)
        assert (await world.registry.consent(recorded.consents[1], anna)).state == "withdrawn"
        assert await check(world, anna, "income") == ("denied", "withdrawn")
        assert await check(world, anna, "address") == ("allowed", "consent")
        assert await check(world, world.citizen("bert")) == ("allowed", "consent")
        assert (await world.registry.events(recorded.consents[1]))[-1]["channel"] == "reconciled"
        await round_(world)
        whole(world)
        assert rows(world, "act")[-1]["event"] == "ledger.reconciled"
        assert rows(world, "act")[-1]["content"]["published"] == published

    async def test_the_ledger_goes_on_from_what_was_published(self, world: World, anna: str, restored: Any) -> None:
        _, published = restored
        before, _ = open_checkpoint(
            published, world.ring.ledger.verifiers("localhost:8000/ledger"), origin="localhost:8000/ledger"
        )

        reconciled(world)
        await round_(world)

        head = world.database.read_now(store.head)
        path = world.database.read_now(
            lambda c: world.registry.ledger.publisher.consistency(c, before.size, head.published_size)
        )
        merkle.verify_consistency(before.size, head.size, before.root, head.root, path)
        assert head.size > before.size

    async def test_every_worker_opens(self, world: World, anna: str, restored: Any) -> None:
        other = world.another_worker()
        assert world.database.read_now(other.ledger.fence.prove) == "database_older"

        reconciled(world)
        await other.ledger.round()

        assert other.ledger.fence.reason is None

    async def test_again_there_is_nothing_to_reconcile(self, world: World, restored: Any) -> None:
        reconciled(world)

        with pytest.raises(NotReconciled, match="nothing to reconcile"):
            reconciled(world)

    async def test_without_the_journal_everything_ends_under_another_name(
        self, world: World, anna: str, restored: Any
    ) -> None:
        """Nobody knows what had been withdrawn, and nothing may be signed that contradicts what was."""
        shutil.rmtree(world.settings.data_dir / "ledger")
        assert await check(world, anna) == ("denied", "unreconciled")
        for how in ({}, {"declared": False}):
            with pytest.raises(NotReconciled, match="--as-new-log"):
                reconciled(world, **how)

        report = reconciled(world, as_new_log=True)

        assert (report.way, report.origin, report.reason) == ("new log", NEW, "journal_missing")
        assert report.ended == 4
        for citizen in (anna, world.citizen("bert")):
            assert await check(world, citizen) == ("denied", "withdrawn")
        await world.give(anna)
        await round_(world)
        assert await check(world, anna) == ("allowed", "consent")
        whole(world)
        assert world.registry.ledger.publisher.note().decode().startswith(f"{NEW}\n")

    async def test_a_journal_with_a_gap_is_no_journal(self, world: World, anna: str, restored: Any) -> None:
        (path,) = (world.settings.data_dir / "ledger").glob("journal.*")
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0])
        later = path.with_name(f"journal.{9:019d}")
        later.write_bytes(lines[-1].replace(b'"first":', b'"first":9'))

        with pytest.raises(NotReconciled, match="--as-new-log"):
            reconciled(world)

    async def test_what_the_operator_did_meanwhile_is_told(self, world: World, anna: str, backups: Backups) -> None:
        await round_(world)
        backup = backups.make()
        world.suspend("municipality")
        await round_(world)
        backups.put_back(backup)

        assert reconciled(world).lost_acts == ("agency.suspended municipality",)


async def test_a_refusal_that_replaced_a_consent_stays_a_refusal(world: World, anna: str, backups: Backups) -> None:
    await world.give(anna)
    await round_(world)
    backup = backups.make()
    question = await world.ask(anna, anew=True)
    await world.registry.answer(
        citizen=anna, question=question, answers={"address": False, "income": True}, language="nl"
    )
    await round_(world)
    backups.put_back(backup)

    reconciled(world)

    # The new yes is lost with the backup, and the old one had ended: asked again, both.
    for category in ("address", "income"):
        assert await check(world, anna, category) == ("denied", "withdrawn")


async def test_a_citizen_who_was_forgotten_is_forgotten_again(world: World, anna: str, backups: Backups) -> None:
    await world.give(anna)
    await world.give(world.citizen("bert"))
    await round_(world)
    backup = backups.make()
    forget = forgetting.forget
    world.database.write_now(lambda c: forget(c, anna, pseudonyms=world.ring.pseudonyms, now=world.clock.now()))
    await round_(world)
    journal = b"".join(one.read_bytes() for one in (world.settings.data_dir / "ledger").glob("journal.*"))
    assert anna.encode() not in journal
    backups.put_back(backup)
    assert len(await world.registry.consents(anna)) == 2

    report = reconciled(world)

    assert report.forgotten == 1
    assert await world.registry.consents(anna) == []
    assert len(await world.registry.consents(world.citizen("bert"))) == 2
    assert await check(world, world.citizen("bert")) == ("allowed", "consent")


async def test_events_that_waited_when_the_backup_was_made_are_in_the_tree_once(
    world: World, anna: str, backups: Backups
) -> None:
    await round_(world)
    recorded = await world.give(anna)
    backup = backups.make()
    await round_(world)
    await permit(world, anna)
    await round_(world)
    backups.put_back(backup)
    assert len(rows(world, "pending_leaf")) == 2

    reconciled(world)
    await round_(world)

    whole(world)
    entries = [one for row in rows(world, "ledger_tile") if row["level"] == -1 for one in tiles.split(row["hashes"])]
    assert len(set(entries)) == len(entries)
    receipt = await world.registry.receipt(recorded.receipts[0], anna)
    assert await world.registry.ledger.proof(receipt.leaf_hash, receipt.seq) != ""


async def test_many_restore_points_and_none_revives_a_consent(world: World, anna: str, backups: Backups) -> None:
    """M-14, in small: after each of several events a backup; each is put back, and then the next events happen."""
    names, given = [], []
    for number in range(4):
        citizen = world.citizen(f"c{number}")
        given.append((citizen, (await world.give(citizen)).consents[1]))
        await round_(world)
        names.append(backups.make())
    for citizen, consent_id in given:
        await world.registry.withdraw(consent_id, citizen)
        await round_(world)

    for name in names:
        backups.put_back(name)
        assert {await check(world, citizen) for citizen, _ in given} == {("denied", "unreconciled")}
        reconciled(world)
        await round_(world)
        whole(world)
        assert {(await check(world, citizen))[0] for citizen, _ in given} == {"denied"}
        assert {(await permit(world, citizen)).permit for citizen, _ in given} == {None}


class TestStart:
    async def test_the_newest_database_needs_nobody(self, world: World, anna: str, backups: Backups) -> None:
        await world.give(anna)
        await round_(world)
        await world.give(world.citizen("bert"))

        backups.restart()

        assert await check(world, anna) == ("allowed", "consent")

    async def test_a_new_house_needs_nobody(self, world: World, anna: str) -> None:
        await world.give(anna)

        assert await check(world, anna) == ("allowed", "consent")

    async def test_a_lost_journal_is_made_up_for_by_a_declaration_alone(
        self, world: World, anna: str, backups: Backups
    ) -> None:
        await world.give(anna)
        await round_(world)
        shutil.rmtree(world.settings.data_dir / "ledger")
        backups.restart()
        assert await check(world, anna) == ("denied", "unreconciled")
        with pytest.raises(NotReconciled, match="--database-is-newest"):
            reconciled(world)

        report = reconciled(world, declared=True)

        assert (report.way, report.ended) == ("declared", 0)
        assert await check(world, anna) == ("allowed", "consent")
        await round_(world)
        whole(world)
        assert rows(world, "act")[-1]["content"]["way"] == "declared"

    async def test_a_database_that_is_older_is_not_declared_newest(
        self, world: World, anna: str, backups: Backups
    ) -> None:
        await round_(world)
        backup = backups.make()
        await world.give(anna)
        await round_(world)
        backups.put_back(backup)

        with pytest.raises(NotReconciled, match="only a lost journal"):
            reconciled(world, declared=True)

    async def test_another_history_of_the_same_length_is_found(self, world: World, anna: str, backups: Backups) -> None:
        await round_(world)
        backup = backups.make()
        await world.give(anna)
        await round_(world)
        journal = world.settings.data_dir / "ledger"
        shutil.move(journal, journal.with_name("kept"))
        backups.put_back(backup)
        reconciled(world, declared=True)
        await permit(world, anna)
        await round_(world)
        shutil.rmtree(journal)
        shutil.move(journal.with_name("kept"), journal)
        backups.restart()

        assert await check(world, anna) == ("denied", "unreconciled")
        assert world.registry.ledger.fence.reason == "database_forked"
        with pytest.raises(NotReconciled, match="--as-new-log"):
            reconciled(world)
        assert reconciled(world, as_new_log=True).origin == NEW
        await round_(world)
        whole(world)


class TestWhileItRuns:
    async def test_the_file_is_replaced_under_the_process(self, world: World, anna: str, backups: Backups) -> None:
        """F-10: within a round, which is half a second."""
        if world.backend.name != "sqlite":
            pytest.skip("a file is SQLite's")
        await world.give(anna)
        await round_(world)
        backup = backups.make()
        path = world.backend.directory / "consent.db"
        assert await check(world, anna) == ("allowed", "consent")
        shutil.copy(world.backend.directory / backup, path.with_name("other"))
        path.with_name("other").replace(path)

        await round_(world)

        assert await check(world, anna) == ("denied", "unreconciled")
        with pytest.raises(NotReconciled, match="restart"):
            reconciled(world)

    async def test_a_permit_that_was_issued_is_not_taken_any_more(
        self, world: World, anna: str, backups: Backups
    ) -> None:
        await world.give(anna)
        await round_(world)
        backup = backups.make()
        done = await permit(world, anna)
        await round_(world)
        backups.put_back(backup)

        with pytest.raises(PermitRefused, match="unreconciled"):
            await world.registry.redeem(done.permit, source="tax-authority")


class TestJournal:
    @pytest.fixture
    def path(self, world: World) -> Callable[[], Any]:
        return lambda: next((world.settings.data_dir / "ledger").glob("journal.*"))

    async def test_a_line_that_was_never_finished_does_not_count(
        self, world: World, anna: str, path: Callable[[], Any], backups: Backups
    ) -> None:
        """The process died while it wrote: what the line says was never published."""
        await world.give(anna)
        await round_(world)
        with path().open("ab") as file:
            file.write(b'{"note":"localhost:8000/ledger\\n999\\n')
        backups.restart()

        assert await check(world, anna) == ("allowed", "consent")
        await world.give(anna, "health-insurance", "health-insurer")
        await round_(world)
        assert world.registry.ledger.journal.last().checkpoint.size == world.database.read_now(store.head).size
        assert path().read_bytes().count(b"999") == 0

    async def test_files_are_bounded_and_read_together(
        self, world: World, anna: str, backups: Backups, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from consent.ledger import journal

        monkeypatch.setattr(journal, "FILE_BYTES", 600)
        await round_(world)
        backup = backups.make()
        for number in range(6):
            await world.give(world.citizen(f"c{number}"))
            await round_(world)
        assert len(list((world.settings.data_dir / "ledger").glob("journal.*"))) > 2
        backups.put_back(backup)

        assert reconciled(world).way == "replay"
        await round_(world)
        whole(world)

    async def test_it_is_on_disk_before_anything_is_published(
        self, world: World, anna: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the head nor a reader sees a checkpoint that is not in a synced file."""
        import os

        seen: list[tuple[str, int]] = []
        sync, publish = os.fsync, store.publish
        monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(("sync", fd)), sync(fd))[1])
        monkeypatch.setattr(
            store, "publish", lambda c, size, note: (seen.append(("publish", size)), publish(c, size, note))[1]
        )
        await world.give(anna)

        await world.registry.ledger.round()

        kinds = [kind for kind, _ in seen]
        assert kinds.count("publish") == 2  # the empty tree, then the first leaves
        for at, kind in enumerate(kinds):
            if kind == "publish":
                assert "sync" in kinds[:at]
                assert kinds[at - 1] == "sync"


def _client(world: World) -> Any:
    from base.web import frame

    world.frame = frame([*world.consent.api(), *world.consent.log()], world.settings, cached=world.consent.documents())
    return world.client(None)
