"""An auditor who comes back: `regie ledger verify --url … --seen FILE` finds out a log that lies, in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from consent.ledger import tiles
from consent.ledger.checkpoint import Checkpoint
from keys.notes import ED25519, Signer
from regie import audit_url
from regie.commands.base import Refused
from tests.fixtures.listener import Listener, answer

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "log.example/ledger"
SIGNER = Signer(ORIGIN, ED25519, ed25519.Ed25519PrivateKey.generate())
GONE = answer(b"", status="404 Not Found")


class Log:
    """A log of so many entries, as it is served. `odd`: by name, what it serves instead."""

    def __init__(self, count: int, mark: bytes = b"e", signer: Signer = SIGNER, **odd: bytes) -> None:
        growth = tiles.grow(0, [mark * 28 + number.to_bytes(4, "big") for number in range(count)], _nothing)
        text = Checkpoint(ORIGIN, growth.size, growth.root).text
        self.note = f"{text}\n{signer.line(text)}"
        self.tiles = growth.tiles
        self.odd = {name.replace("_", "/"): raw for name, raw in odd.items()}

    def __call__(self, head: str) -> bytes:
        name = head.split(" ")[1].removeprefix("/ledger/").removeprefix("tile/")
        if name in self.odd:
            return self.odd[name]
        if name == "checkpoint":
            return answer(self.note.encode(), kind="text/plain")
        asked = tiles.parse(name)
        if asked is None or (asked.level, asked.n) not in self.tiles:
            return GONE
        hashes = self.tiles[asked.level, asked.n][: asked.width * tiles.HASH]
        return answer(tiles.bundle(hashes) if asked.level == tiles.ENTRIES else hashes, kind="")


def _nothing(_level: int, _n: int) -> bytes:
    return b""


async def audited(log: Log, seen: Path | None = None) -> list[str]:
    """What is found, each in words."""
    async with Listener(log).running() as there:
        url = f"http://127.0.0.1:{there.port}/ledger"
        told: dict[str, Any] = await asyncio.to_thread(audit_url.verify, url, [SIGNER.verifier.vkey], (), seen)
    assert told["ok"] is not bool(told["findings"])
    return [f"{one['place']} {one['what']}" for one in told["findings"]]


async def test_a_log_that_grows_is_right_and_remembered(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for count in (1, 5, 5, 300):
        assert await audited(Log(count), seen) == []
        assert seen.read_text() == Log(count).note


async def test_one_that_went_back_or_another_way_is_told_and_what_was_right_stays_remembered(tmp_path: Path) -> None:
    """A rollback; two trees of one size; a larger one that does not go on from it."""
    seen = tmp_path / "seen"
    await audited(Log(300), seen)
    for log, what in (
        (Log(299), "checkpoint 300 was shown before, and the log is smaller now"),
        (Log(300, b"x"), "checkpoint 300 was shown before, and the log has another history now"),
        (Log(400, b"x"), "checkpoint 300 was shown before, and the log has another history now"),
    ):
        assert await audited(log, seen) == [what]
        assert seen.read_text() == Log(300).note


async def test_what_it_remembers_must_be_the_logs_own(tmp_path: Path) -> None:
    """Neither a stranger's checkpoint, nor a file that was cut off, accuses the log, or is taken for nothing seen."""
    seen = tmp_path / "seen"
    stranger = Signer(ORIGIN, ED25519, ed25519.Ed25519PrivateKey.generate())
    for text in (Log(400, b"x", stranger).note, "", Log(5).note[:60], "\0"):
        seen.write_text(text)
        with pytest.raises(Refused, match="seen before proves nothing"):
            await audited(Log(5), seen)


async def test_answers_that_are_none_are_told_in_words() -> None:
    """Without an end, of another kind, of another length, with another log's words; and nothing is read without bound."""
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (4 * audit_url.MOST)
    for odd, what in (
        ({"entries_000.p_5": endless}, "tile entries/000.p/5 is not there, or not whole"),
        ({"0_000.p_5": answer(b"x" * 31, kind="")}, "tile 0/000.p/5 is not there, or not whole"),
        ({"0_000.p_5": answer(b"x" * 160, kind="")}, "tile entries/000.p/5 does not hold"),
        ({"0_000.p_5": GONE}, "tile 0/000.p/5 is not there, or not whole"),
        (
            {"checkpoint": answer(b"\xff\xfe", kind="text/plain")},
            "checkpoint a note has a text, an empty line and signature lines",
        ),
        ({"checkpoint": answer(Log(5).note.replace(ORIGIN, "other.example/l").encode())}, "checkpoint "),
    ):
        (found,) = await audited(Log(5, **odd))

        assert found.startswith(what)
    for odd in (
        {"checkpoint": endless},
        {"checkpoint": GONE},
        {"checkpoint": answer(b"", status="302 Found", location="/x")},
    ):
        with pytest.raises(Refused, match="shows no checkpoint now"):
            await audited(Log(5, **odd))
    with pytest.raises(Refused, match="does not answer"):
        await audited(Log(5, checkpoint=b"no HTTP\r\n\r\n"))
