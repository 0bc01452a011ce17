"""C2SP tlog-witness and tlog-cosignature: what a witness signs, and the histories that it never signs."""

from __future__ import annotations

import base64
import hashlib
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from agency import witness as program
from agency.receipt import key_of
from agency.witness import Witness
from consent.ledger import merkle
from consent.ledger.checkpoint import Checkpoint
from keys.notes import COSIGNATURE, ED25519, Signer, Verifier, open_note
from tests.fixtures.witnesses import Run, Running

ORIGIN = "regie.example/ledger"


class Log:
    """A log of made-up leaves, which says whatever a test wants."""

    def __init__(self, *, word: str = "leaf", name: str = ORIGIN) -> None:
        self.name, self.word = name, word
        self.signer = Signer(name, ED25519, ed25519.Ed25519PrivateKey.generate())

    @property
    def keys(self) -> list[str]:
        return [self.signer.verifier.vkey]

    def node(self, height: int, k: int) -> bytes:
        leaves = range(k << height, (k + 1) << height)
        return merkle.fold([merkle.leaf_hash(hashlib.sha256(f"{self.word} {n}".encode()).digest()) for n in leaves])

    def text(self, size: int) -> str:
        return Checkpoint(self.name, size, merkle.root(size, self.node) if size else merkle.EMPTY).text

    def note(self, size: int) -> str:
        text = self.text(size)
        return text + "\n" + self.signer.line(text)

    def body(self, old: int, size: int, *, note: str | None = None, path: list[bytes] | None = None) -> str:
        proof = path if path is not None else merkle.consistency(old, size, self.node) if 0 < old < size else []
        lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof)]
        return "\n".join(lines) + "\n\n" + (self.note(size) if note is None else note)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def one(run_witness: Run, log: Log) -> Running:
    return run_witness("one", log.keys)


def post(at: Running, body: str | bytes) -> httpx2.Response:
    return httpx2.post(f"{at.url}/add-checkpoint", content=body)


class TestAddCheckpoint:
    def test_what_goes_on_is_cosigned_and_the_cosignature_is_of_this_checkpoint_and_this_time(
        self, one: Running, log: Log
    ) -> None:
        verifier = Verifier.parse(one.vkey)
        assert verifier.kind == COSIGNATURE
        for old, size in ((0, 1), (1, 5), (5, 5), (5, 260)):
            answer = post(one, log.body(old, size))

            assert answer.status_code == 200, answer.text
            text, (signed,) = open_note(log.note(size) + answer.text, [verifier])
            assert text == log.text(size)
            assert abs(signed.at - time.time()) < 30

    def test_the_log_may_sign_with_other_keys_too(self, one: Running, log: Log) -> None:
        stranger = Signer("somebody.example", ED25519, ed25519.Ed25519PrivateKey.generate())
        note = log.note(3) + stranger.line(log.text(3))

        assert post(one, log.body(0, 3, note=note)).status_code == 200

    def test_an_unknown_log_is_not_found(self, one: Running) -> None:
        assert post(one, Log(name="another.example/ledger").body(0, 1)).status_code == 404

    def test_what_the_log_did_not_sign_is_forbidden(self, one: Running, log: Log) -> None:
        """No trusted key verifies, or a line claims one and does not hold."""
        assert post(one, Log().body(0, 1)).status_code == 403
        altered = log.note(2).replace("\n2\n", "\n3\n")
        assert post(one, log.body(0, 2, note=altered)).status_code == 403
        assert post(one, log.body(0, 2)).status_code == 200

    def test_the_old_size_above_the_new_one_is_a_bad_request(self, one: Running, log: Log) -> None:
        assert post(one, log.body(0, 5)).status_code == 200
        assert post(one, log.body(5, 3)).status_code == 400

    def test_another_old_size_conflicts_and_the_answer_says_where_the_witness_is(self, one: Running, log: Log) -> None:
        assert post(one, log.body(0, 5)).status_code == 200
        for old in (0, 4, 6):
            answer = post(one, log.body(old, 9))

            assert answer.status_code == 409
            assert answer.headers["content-type"] == "text/x.tlog.size"
            assert answer.text == "5\n"

    def test_another_tree_of_the_same_size_conflicts(self, one: Running, log: Log) -> None:
        assert post(one, log.body(0, 5)).status_code == 200
        log.word = "another history"

        assert (post(one, log.body(5, 5)).status_code, post(one, log.body(5, 9)).status_code) == (409, 422)

    def test_a_proof_that_does_not_verify_is_refused_and_nothing_is_remembered(self, one: Running, log: Log) -> None:
        assert post(one, log.body(0, 5)).status_code == 200
        good = merkle.consistency(5, 9, log.node)
        for path in ([], good[:-1], [*good, good[0]], good[::-1], [good[0][::-1], *good[1:]]):
            assert post(one, log.body(5, 9, path=path)).status_code == 422
        assert post(one, log.body(5, 9)).status_code == 200

    def test_the_first_checkpoint_has_no_proof(self, one: Running, log: Log) -> None:
        assert post(one, log.body(0, 4, path=[bytes(32)])).status_code == 422
        assert post(one, log.body(0, 0)).status_code == 200
        assert post(one, log.body(0, 4)).status_code == 200

    def test_bodies_that_are_none(self, one: Running, log: Log) -> None:
        good = log.body(0, 1)
        wrong = [
            b"",
            b"\xff\xfe\n\n",
            good.replace("old 0", "old 00"),
            good.replace("old 0", "old -1"),
            good.replace("old 0", "size 0"),
            good.replace("old 0\n", ""),
            good.replace("old 0\n", "old 0\nnot base64\n"),
            good.replace("old 0\n", "old 0\nYWJj\n"),
            good.replace("old 0\n", "old 0\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64),
            good.replace("\n1\n", "\n01\n"),
            good.partition("\n\n")[0],
        ]
        for body in wrong:
            assert post(one, body).status_code == 400, body
        assert post(one, b"x" * 70_000).status_code == 413
        assert httpx2.post(f"{one.url}/other", content=good).status_code == 404
        assert httpx2.get(f"{one.url}/key").text == f"{one.vkey}\n"
        assert post(one, good).status_code == 200

    def test_a_body_without_a_length_is_not_read(self, one: Running, log: Log) -> None:
        chunked = httpx2.post(f"{one.url}/add-checkpoint", content=iter([log.body(0, 1).encode()]))

        assert chunked.status_code == 411

    def test_it_remembers_over_a_restart(self, run_witness: Run, log: Log) -> None:
        assert post(run_witness("again", log.keys), log.body(0, 5)).status_code == 200

        answer = post(run_witness("again", log.keys), log.body(0, 9))

        assert (answer.status_code, answer.text) == (409, "5\n")

    def test_of_many_at_once_each_next_one_goes_on_from_the_one_before(self, one: Running, log: Log) -> None:
        """The race of the standard's own text: none rolls back what another moved forward."""
        assert post(one, log.body(0, 10)).status_code == 200
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda size: (size, post(one, log.body(10, size)).status_code), range(11, 27)))

        (won,) = [size for size, status in done if status == 200]
        assert {status for _, status in done} == {200, 409}
        assert post(one, log.body(0, 30)).text == f"{won}\n"


class TestState:
    def test_only_its_owner_reads_the_key(self, run_witness: Run, log: Log, tmp_path: Path) -> None:
        run_witness("mine", log.keys)

        assert stat.S_IMODE((tmp_path / "mine" / "key").stat().st_mode) == 0o600

    def test_one_that_lost_its_memory_does_not_sign_under_that_key_again(self, log: Log, tmp_path: Path) -> None:
        Witness("witness.example/one", tmp_path, [key_of(one) for one in log.keys])
        (tmp_path / "seen.db").unlink()

        with pytest.raises(SystemExit, match=r"seen\.db"):
            Witness("witness.example/one", tmp_path, [key_of(one) for one in log.keys])


class TestProgram:
    def test_it_starts_with_one_command_and_says_its_key(self, log: Log, tmp_path: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keys = tmp_path / "keys"
        keys.write_text("\n".join(log.keys))
        command = [sys.executable, "-m", "agency.witness", "--name", "witness.example/w1", "--log", str(keys)]
        command += ["--state", str(tmp_path / "state"), "--listen", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            vkey, _, url = process.stdout.readline().strip().partition(" on ")
            answer = post(Running(vkey, url, None), log.body(0, 2))  # type: ignore[arg-type]
            process.terminate()

        assert open_note(log.note(2) + answer.text, [Verifier.parse(vkey)])[1][0].name == "witness.example/w1"

    @pytest.mark.parametrize("wrong", [["--log", "nonsense"], ["--log", "{witness}"], ["--name", "a b"]])
    def test_what_it_cannot_use_is_told_in_a_sentence(
        self, log: Log, tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        own = Witness("witness.example/other", tmp_path / "other", [key_of(one) for one in log.keys]).vkey
        usual = {
            "--name": "witness.example/w1",
            "--log": log.keys[0],
            "--state": str(tmp_path / "x"),
            wrong[0]: wrong[1],
        }
        arguments = [part.format(witness=own) for pair in usual.items() for part in pair]

        with pytest.raises(SystemExit) as stopped:
            program.main(arguments)

        assert stopped.value.code == 2
        assert wrong[0] in capsys.readouterr().err
        assert not (tmp_path / "x").exists()
