"""C2SP tlog-tiles and tlog-checkpoint, over HTTP: what anybody can fetch, and that it adds up to the signed root."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import insert

from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import Checkpoint, open_checkpoint
from consent.ledger.tiles import ENTRIES, Asked
from consent.permits import Asked as PermitAsked
from consent.store.tables import ledger_batch
from keys.notes import ECDSA, ED25519, Verifier

if TYPE_CHECKING:
    from base.database import Connection
    from tests.fixtures.registry import World

ORIGIN = "localhost:8000/ledger"
ASKED = PermitAsked("municipality", "housing-benefit", ("income",), "tax-authority")


async def grow(world: World, citizen: str, times: int) -> Any:
    sub, done = world.sub(citizen), None
    for _ in range(times):
        done = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))
    await world.registry.ledger.round()
    return done


async def checkpoint(client: httpx2.AsyncClient) -> Checkpoint:
    verifiers = [Verifier.parse(line) for line in (await client.get("/ledger/key")).text.splitlines()]
    return open_checkpoint((await client.get("/ledger/checkpoint")).text, verifiers, origin=ORIGIN)[0]


class TestCheckpoints:
    async def test_the_checkpoint_is_a_signed_note_that_may_be_kept_for_a_second(self, world: World, anna: str) -> None:
        """ "its headers SHOULD prevent caching beyond a few seconds"; "at least one Ed25519 signature by the log"."""
        await world.give(anna)
        await grow(world, anna, 3)

        async with world.client(None) as client:
            answer, keys = await client.get("/ledger/checkpoint"), await client.get("/ledger/key")

        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=1"
        verifiers = [Verifier.parse(line) for line in keys.text.splitlines()]
        assert [one.kind for one in verifiers] == [ED25519, ECDSA]
        _, signed = open_checkpoint(answer.text, verifiers, origin=ORIGIN)
        assert len(signed) == 2

    async def test_there_is_none_before_the_first(self, world: World) -> None:
        world.database.read_now(world.registry.ledger.fence.prove)
        async with world.client(None) as client:
            assert (await client.get("/ledger/checkpoint")).status_code == 404
            assert (await client.get("/ledger/cosigned")).status_code == 404
            assert (await client.get("/ledger/tile/0/000")).status_code == 404

    async def test_what_is_staged_and_not_published_is_not_shown(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 1)
        await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(anna)))
        before = world.registry.ledger.publisher.size
        await world.database.write(world.registry.ledger.sequencer._stage)

        async with world.client(None) as client:
            assert (await checkpoint(client)).size == before
            assert (await client.get(f"/ledger/tile/0/000.p/{before}")).status_code == 200
            assert (await client.get(f"/ledger/tile/0/000.p/{before + 1}")).status_code == 404


class TestMerkleTree:
    async def test_the_tiles_add_up_to_the_root_and_the_entries_to_the_tiles(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 280)

        async with world.client(None) as client:
            signed = await checkpoint(client)
            fetched = {}
            for asked in tiles.every(signed.size):
                answer = await client.get(f"/ledger/tile/{tiles.path(asked)}")
                assert answer.status_code == 200
                fetched[asked.level, asked.n] = answer.content

        entries = b"".join(tiles.unbundle(fetched[ENTRIES, n]) for n in range(2))
        hashes = [merkle.leaf_hash(one) for one in tiles.split(entries)]
        assert len(hashes) == signed.size > 256
        assert b"".join(hashes) == fetched[0, 0] + fetched[0, 1]
        assert fetched[1, 0] == merkle.fold(tiles.split(fetched[0, 0]))
        assert merkle.root(signed.size, lambda h, k: merkle.fold(hashes[k << h : (k + 1) << h])) == signed.root

    async def test_a_tile_never_changes_and_says_so(self, world: World, anna: str) -> None:
        """ "its caching headers SHOULD be long-lived"; any site's script may read it."""
        await world.give(anna)
        await grow(world, anna, 3)

        async with world.client(None) as client:
            path = "/ledger/tile/0/000.p/2"
            before = await client.get(path)
            await grow(world, anna, 300)
            after = await client.get(path)

        assert before.content == after.content
        assert len(before.content) == 64
        assert before.headers["content-type"] == "application/octet-stream"
        assert before.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert before.headers["access-control-allow-origin"] == "*"

    async def test_what_the_tree_does_not_have_is_404(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 1)
        paths = [
            "0/001", "0/000", "1/000.p/1", "entries/000", "0/000.p/256", "0/0", "8/000", "entries/x000/000",
            "0/000.p/0", "-1/000", "0/000/000", "", "0/" + "9" * 500,
        ]  # fmt: skip

        async with world.client(None) as client:
            answers = [await client.get(f"/ledger/tile/{path}") for path in paths]

        found = [(one.status_code, one.headers["content-type"]) for one in answers]
        assert found == [(404, "application/problem+json")] * len(paths)

    async def test_a_full_tile_is_served_from_memory_as_from_the_row(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 260)
        publisher = world.registry.ledger.publisher

        first = world.database.read_now(lambda c: publisher.tile(c, Asked(0, 0, 256)))
        again = world.database.read_now(lambda c: publisher.tile(c, Asked(0, 0, 256)))

        assert first == again
        assert (0, 0) in publisher._full
        assert (0, 1) not in publisher._full


class TestProofs:
    async def test_a_permit_proves_its_place(self, world: World, anna: str) -> None:
        """With what stands in the permit and nothing else."""
        await world.give(anna)
        await grow(world, anna, 20)
        done = await grow(world, anna, 1)
        await grow(world, anna, 20)
        leaf = done.outcome.leaf

        async with world.client(None) as client:
            answer = await client.get("/ledger/proofs/inclusion", params={"leaf_hash": leaf.hash, "seq": leaf.seq})
            keys = [Verifier.parse(line) for line in (await client.get("/ledger/key")).text.splitlines()]

        proof = answer.json()
        signed, _ = open_checkpoint(proof["checkpoint"], keys, origin=ORIGIN)
        path = [base64.b64decode(one) for one in proof["inclusion_path"]]
        hashed = base64.urlsafe_b64decode(leaf.hash + "=")
        merkle.verify_inclusion(hashed, proof["log_index"], proof["tree_size"], path, signed.root)
        assert proof["tree_size"] == signed.size

    async def test_a_leaf_that_waits_has_no_proof_yet(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 1)
        done = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(anna)))
        params = {"leaf_hash": done.outcome.leaf.hash, "seq": done.outcome.leaf.seq}

        async with world.client(None) as client:
            before = await client.get("/ledger/proofs/inclusion", params=params)
            await world.registry.ledger.round()
            after = await client.get("/ledger/proofs/inclusion", params=params)

        assert (before.status_code, after.status_code) == (404, 200)

    async def test_a_hash_without_its_place_in_the_queue_finds_nothing(self, world: World, anna: str) -> None:
        await world.give(anna)
        done = await grow(world, anna, 5)
        leaf = done.outcome.leaf

        async with world.client(None) as client:
            for seq in (leaf.seq + 1_000, 0, 10**17):
                params = {"leaf_hash": leaf.hash, "seq": seq}
                assert (await client.get("/ledger/proofs/inclusion", params=params)).status_code == 404

    async def test_a_place_at_which_nothing_stood_costs_no_walk_through_the_log(self, world: World, anna: str) -> None:
        """Anybody may ask: what it costs does not grow with the log."""
        if world.backend.name != "sqlite":
            pytest.skip("SQLite alone counts its steps; the statement is the same")
        await world.give(anna)
        await grow(world, anna, 1)
        world.database.write_now(
            lambda c: c.execute(
                insert(ledger_batch),
                [
                    {"first": n, "size": n + 1, "min_seq": n, "max_seq": n, "at": world.clock.now()}
                    for n in range(10_000, 30_000)
                ],
            )
        )
        steps: list[int] = []

        def ask(connection: Connection) -> object:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(lambda: steps.append(1), 100)
            try:
                return world.registry.ledger.publisher.inclusion(connection, "x" * 43, 9_000)
            finally:
                driver.set_progress_handler(None, 0)

        assert world.database.read_now(ask) is None
        assert len(steps) < 100  # ten thousand of SQLite's steps, for 256 rows; walking takes ten times as many

    async def test_two_checkpoints_are_one_history(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 5)
        async with world.client(None) as client:
            first = await checkpoint(client)
            await grow(world, anna, 9)
            second = await checkpoint(client)
            params = {"first": first.size, "second": second.size}
            proof = (await client.get("/ledger/proofs/consistency", params=params)).json()

        path = [base64.b64decode(one) for one in proof["consistency_path"]]
        merkle.verify_consistency(first.size, second.size, first.root, second.root, path)

    async def test_what_cannot_be_asked_is_refused(self, world: World, anna: str) -> None:
        await world.give(anna)
        await grow(world, anna, 1)
        asked = [
            ("inclusion", 400),
            ("inclusion?leaf_hash=x&seq=1", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq=-1", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq=1e3", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq={'9' * 19}", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq=1&seq=2", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq=1&x=2", 400),
            (f"inclusion?leaf_hash={'A' * 43}&seq=1", 404),
            (f"inclusion?leaf_hash={'A' * 42}é&seq=1", 400),
            ("consistency", 400),
            ("consistency?first=2&second=1", 400),
            ("consistency?first=01&second=1", 400),
            ("consistency?first=1&second=2&x=", 400),
            ("consistency?first=1&second=999999999999999999", 404),
        ]

        async with world.client(None) as client:
            answers = [(path, await client.get(f"/ledger/proofs/{path}")) for path, _ in asked]

        assert [(path, one.status_code) for path, one in answers] == asked
        assert {one.headers["content-type"] for _, one in answers} == {"application/problem+json"}
