"""The log's tiles before a reader that is not ours: it takes what is served, and nothing of which a byte was altered."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from consent.ledger import tiles
from tests.spec.test_c2sp_tlog_tiles import ASKED, ORIGIN, checkpoint, grow

if TYPE_CHECKING:
    from tests.fixtures.registry import World

HERE = Path(__file__).resolve().parent
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not (HERE / "tile_reader").is_dir(), reason="bin/test has not installed the tile reader"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),
]
Alter = Callable[[Path], Any]


def verdicts(asked: dict[str, Any], folders: list[Path]) -> list[str]:
    """What is wrong with each, in its words; "" for nothing."""
    body = json.dumps({**asked, "folders": [str(one) for one in folders]})
    command = [sys.executable, HERE / "other_tiles.py"]
    done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def flipped(name: str, at: int = 7) -> Alter:
    """One bit of one file."""

    def alter(folder: Path) -> None:
        raw = bytearray((folder / name).read_bytes())
        raw[at] ^= 1
        (folder / name).write_bytes(raw)

    return alter


def reworded(old: str, new: str) -> Alter:
    """The checkpoint's text."""

    def alter(folder: Path) -> None:
        text = (folder / "checkpoint").read_text()
        assert old in text
        (folder / "checkpoint").write_text(text.replace(old, new, 1))

    return alter


def swapped(one: str, other: str) -> Alter:
    def alter(folder: Path) -> None:
        first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(second)
        (folder / other).write_bytes(first)

    return alter


async def test_a_stranger_reads_all_of_the_log_and_refuses_whatever_is_altered(
    world: World, anna: str, tmp_path: Path
) -> None:
    await world.give(anna)
    done = await grow(world, anna, 20)
    served, leaf = tmp_path / "served", done.outcome.leaf
    async with world.client(None) as client:
        before = await checkpoint(client)
        await world.database.write(
            lambda c: [world.registry.permit_unit(c, ASKED, world.sub(anna)) for _ in range(520)]
        )
        await world.registry.ledger.round()
        signed = await checkpoint(client)
        names = [f"tile/{tiles.path(one)}" for one in tiles.every(signed.size)]
        for name in ("checkpoint", *names):
            answer = await client.get(f"/ledger/{name}")
            assert answer.status_code == 200
            (served / name).parent.mkdir(parents=True, exist_ok=True)
            (served / name).write_bytes(answer.content)
        key = (await client.get("/ledger/key")).text.splitlines()[0]
        proof = (await client.get("/ledger/proofs/inclusion", params={"leaf_hash": leaf.hash, "seq": leaf.seq})).json()
    asked = {
        "key": key,
        "origin": ORIGIN,
        "leaf": base64.b64encode(base64.urlsafe_b64decode(leaf.hash + "=")).decode(),
        "index": proof["log_index"],
        "before": [before.size, base64.b64encode(before.root).decode()],
    }
    root = base64.b64encode(signed.root).decode()
    # Of the log's two signatures the Ed25519 one comes first; the reader does not know the other kind.
    signature = (served / "checkpoint").read_text().split("\n\n")[1].splitlines()[0].rsplit(" ", 1)[1][8:-4]
    alterations: list[Alter] = [
        *(flipped(name) for name in names),
        *(lambda folder, name=name: (folder / name).unlink() for name in names),
        reworded(f"\n{signed.size}\n", f"\n{signed.size - 1}\n"),
        reworded(root, base64.b64encode(before.root).decode()),
        reworded(ORIGIN, f"{ORIGIN}/2"),
        reworded(signature, signature[::-1]),
        lambda folder: (folder / "checkpoint").write_text((folder / "checkpoint").read_text().split("\n\n")[0] + "\n"),
        swapped("tile/0/000", "tile/0/001"),
        swapped("tile/entries/000", "tile/entries/001"),
    ]
    altered = []
    for number, alter in enumerate(alterations):
        altered.append(Path(shutil.copytree(served, tmp_path / str(number))))
        alter(altered[-1])

    assert signed.size > 512
    assert {"tile/0/000", "tile/entries/001"} < set(names)
    first, *others = verdicts(asked, [served, *altered])
    assert first == ""
    assert [number for number, wrong in enumerate(others) if not wrong] == []
    for changes in ({"index": asked["index"] + 1}, {"before": [before.size, root]}, {"origin": "elsewhere"}):
        (wrong,) = verdicts({**asked, **changes}, [served])
        assert wrong
