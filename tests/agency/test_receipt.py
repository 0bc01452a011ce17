"""The stand-alone verifier: a file and the ledger's public key are all that it needs, and it believes nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agency import receipt
from agency.receipt import NotProven, verify
from consent.permits import Asked
from keys import jose
from keys.notes import COSIGNATURE, Signer
from tests.spec.test_rfc9162 import ROOTS, merkle, node

if TYPE_CHECKING:
    from tests.fixtures.registry import World

SOURCE = Path(receipt.__file__).read_text()


@pytest.fixture
async def held(world: World, anna: str) -> dict[str, str]:
    """What a citizen downloaded of one consent, in a ledger of some size."""
    recorded = await world.give(anna)
    asked, sub = Asked("municipality", "housing-benefit", ("income",), "tax-authority"), world.sub(anna)
    for _ in range(30):
        await world.database.write(lambda c: world.registry.permit_unit(c, asked, sub))
    await world.registry.ledger.round()
    return json.loads(await world.registry.receipt_file(recorded.receipts[0], anna))


@pytest.fixture
def keys(world: World) -> list[str]:
    return [one.vkey for one in world.ring.ledger.verifiers("localhost:8000/ledger")]


def raw(file: dict[str, Any]) -> bytes:
    return json.dumps(file).encode()


class TestFile:
    def test_the_verifier_has_300_lines_at_most_and_imports_nothing_of_ours(self) -> None:
        lines = SOURCE.splitlines()
        imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}

        assert len(lines) <= 300
        assert imported - set(sys.stdlib_module_names) == {"cryptography"}

    async def test_it_proves_the_event_with_the_ledgers_key_alone(
        self, world: World, anna: str, held: dict[str, str], keys: list[str]
    ) -> None:
        proven = verify(raw(held), keys)

        assert proven.entry["type"] == "given"
        assert proven.entry["sub"] == world.sub(anna)
        assert anna not in json.dumps(proven.entry)
        assert proven.receipt is None
        assert proven.checkpoint.size > 30

    async def test_either_of_the_two_keys_is_enough(self, held: dict[str, str], keys: list[str]) -> None:
        for key in keys:
            assert verify(raw(held), [key]).index >= 0

    async def test_with_the_registrys_keys_the_words_are_verified_too(
        self, world: World, held: dict[str, str], keys: list[str]
    ) -> None:
        proven = verify(raw(held), keys, jwks=world.ring.jwks())

        assert proven.receipt["event"]["state"] == "consent given"
        assert proven.receipt["record_id"] == proven.entry["consent"]

    async def test_a_use_is_proven_as_a_consent_is(self, world: World, anna: str, held: Any, keys: list[str]) -> None:
        (line, *_) = (await world.registry.history(anna)).uses

        proven = verify(await world.registry.receipt_file(line.leaf, anna), keys, jwks=world.ring.jwks())

        assert (proven.entry["kind"], proven.entry["decision"]) == ("use", "allowed")
        assert proven.receipt["event"]["state"] == "allowed"

    async def test_a_file_from_before_its_second_is_over_says_so(
        self, world: World, anna: str, keys: list[str]
    ) -> None:
        recorded = await world.give(anna)

        file = await world.registry.receipt_file(recorded.receipts[0], anna)

        with pytest.raises(NotProven, match="download it again"):
            verify(file, keys)


class TestAltered:
    async def test_every_member_counts(self, held: dict[str, str], keys: list[str]) -> None:
        entry = json.loads(held["entry"])
        for name in entry:
            changed = {**entry, name: "other"}
            with pytest.raises(NotProven):
                verify(raw({**held, "entry": json.dumps(changed, sort_keys=True, separators=(",", ":"))}), keys)
        with pytest.raises(NotProven):
            verify(raw({**held, "salt": "A" * 43}), keys)

    async def test_every_character_of_the_proof_counts(self, held: dict[str, str], keys: list[str]) -> None:
        """Each byte flipped, one by one. In a signature's name or id it makes a stranger's of one of the two; no more."""
        proof, proven = held["proof"].encode(), verify(raw(held), keys)
        signatures = proof.index("— ".encode())
        for at in range(len(proof)):
            altered = bytearray(proof)
            altered[at] ^= 1
            try:
                file = raw({**held, "proof": altered.decode()})
            except UnicodeDecodeError:
                continue
            try:
                assert verify(file, keys) == proven
                assert at >= signatures
            except NotProven:
                pass

    async def test_every_character_of_the_receipt_counts(
        self, world: World, held: dict[str, str], keys: list[str]
    ) -> None:
        letters = held["receipt"]
        for at in range(0, len(letters), 7):
            altered = letters[:at] + ("A" if letters[at] != "A" else "B") + letters[at + 1 :]
            with pytest.raises(NotProven):
                verify(raw({**held, "receipt": altered}), keys, jwks=world.ring.jwks())

    async def test_parts_of_two_receipts_make_none(
        self, world: World, anna: str, held: dict[str, str], keys: list[str]
    ) -> None:
        recorded = await world.give(anna, "health-insurance", "health-insurer")
        await world.registry.ledger.round()
        other = json.loads(await world.registry.receipt_file(recorded.receipts[0], anna))

        for name in held:
            for one, another in ((held, other), (other, held)):
                with pytest.raises(NotProven):
                    verify(raw({**one, name: another[name]}), keys)

    async def test_another_houses_key_proves_nothing(self, held: dict[str, str]) -> None:
        stranger = Signer("localhost:8000/ledger", 1, ed25519.Ed25519PrivateKey.generate()).verifier.vkey

        for keys in ([stranger], []):
            with pytest.raises(NotProven):
                verify(raw(held), keys)

    async def test_a_witness_is_not_the_ledger(self, held: dict[str, str], keys: list[str]) -> None:
        """A checkpoint that only a witness signed is nobody's: it must be named by its own log."""
        text, _ = held["proof"].partition("\n\n")[2].rsplit("\n\n", 1)
        witness = Signer("witness.example", COSIGNATURE, ed25519.Ed25519PrivateKey.generate())
        head = held["proof"].partition("\n\n")[0]
        forged = f"{head}\n\n{text}\n\n{witness.line(text + chr(10), 5)}"

        with pytest.raises(NotProven, match="ledger's key"):
            verify(raw({**held, "proof": forged}), [witness.verifier.vkey, *keys])

    @pytest.mark.parametrize(
        "odd",
        [
            b"", b"null", b"[]", b"{}", b"\xff", b"[" * 200_000, b'{"receipt": 1, "entry": "", "salt": "", "proof": ""}',
            b'{"receipt": "", "entry": "", "salt": "", "proof": "x"}', b"x" * 300_000,
            b'{"receipt": "a.b.c", "entry": "{\\ud800}", "salt": "", "proof": "x"}',
            json.dumps({"receipt": "a.b.c", "entry": "{}", "salt": "A" * 43, "proof": "c2sp.org/tlog-proof@v1\nindex 0\n\n"}).encode(),
        ],
    )  # fmt: skip
    async def test_what_is_no_file_is_refused_and_not_raised(self, odd: bytes) -> None:
        with pytest.raises(NotProven):
            verify(odd, ["x"])

    @pytest.mark.parametrize("jwks", [b"", b"{}", b'{"keys": 5}', b'{"keys": [{}]}', b'{"keys": []}', b"[]"])
    async def test_what_is_no_key_set_is_refused_and_not_raised(
        self, held: dict[str, str], keys: list[str], jwks: bytes
    ) -> None:
        with pytest.raises(NotProven):
            verify(raw(held), keys, jwks=jwks)

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_no_key_and_no_key_set_of_any_kind_ends_in_a_traceback(
        self, world: World, held: dict[str, str], keys: list[str]
    ) -> None:
        """A curve that ledgers do not sign with, no curve at all; coordinates that are no text."""
        made = [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
        spki = [one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in made]
        for der in [*spki, b"", spki[0][:20], b"\x30" * 91]:
            vkey = f"x+{hashlib.sha256(der).digest()[:4].hex()}+{base64.b64encode(bytes([2]) + der).decode()}"
            with pytest.raises(NotProven, match="no key"):
                verify(raw(held), [vkey])
        jwks = json.loads(world.ring.jwks())
        for odd in (None, 1, [], {}, "", "A" * 43, "\ud800", "é"):
            changed = {"keys": [{**one, "x": odd} for one in jwks["keys"]]}
            with pytest.raises(NotProven):
                verify(raw(held), keys, jwks=json.dumps(changed).encode())

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_what_two_readers_would_read_differently_is_refused(
        self, held: dict[str, str], keys: list[str]
    ) -> None:
        """A member that stands twice, and another encoding than JSON has between systems (RFC 8259 section 8.1)."""
        file = raw(held)
        for odd in (
            file.replace(b"{", b'{"entry": "{}", ', 1),
            file.replace(b"{", b'{"\\u0065ntry": "{}", ', 1),
            b"\xef\xbb\xbf" + file,
            json.dumps(held).encode("utf-16"),
        ):
            with pytest.raises(NotProven):
                verify(odd, keys)
        assert verify(file, keys)

    async def test_a_token_of_ours_is_no_receipt(self, world: World, held: dict[str, str], keys: list[str]) -> None:
        """Signed by the registry's very key, naming this leaf, but of another type."""
        claims = jose.unverified_claims(held["receipt"])
        other = jose.sign(dict(claims), world.ring.active(), typ="at+jwt")

        with pytest.raises(NotProven, match="not signed as one"):
            verify(raw({**held, "receipt": other}), keys, jwks=world.ring.jwks())


class TestWitnesses:
    async def test_as_many_as_are_asked_for_must_have_cosigned(self, held: dict[str, str], keys: list[str]) -> None:
        text = held["proof"].partition("\n\n")[2].rsplit("\n\n", 1)[0] + "\n"
        signers = [Signer(f"witness.example/{n}", COSIGNATURE, ed25519.Ed25519PrivateKey.generate()) for n in range(3)]
        vkeys = [one.verifier.vkey for one in signers]
        file = {
            **held,
            "proof": held["proof"] + signers[0].line(text, 1_700_000_000) + signers[1].line(text, 1_700_000_001),
        }

        proven = verify(raw(file), keys, witnesses=vkeys, quorum=2)

        assert proven.cosigned_by == (("witness.example/0", 1_700_000_000), ("witness.example/1", 1_700_000_001))
        with pytest.raises(NotProven, match="2 of the witnesses"):
            verify(raw(file), keys, witnesses=vkeys, quorum=3)
        with pytest.raises(NotProven, match="0 of the witnesses"):
            verify(raw(held), keys, witnesses=vkeys, quorum=1)

    async def test_one_that_signed_another_tree_refuses_the_file(self, held: dict[str, str], keys: list[str]) -> None:
        signer = Signer("witness.example/0", COSIGNATURE, ed25519.Ed25519PrivateKey.generate())
        file = {**held, "proof": held["proof"] + signer.line("localhost:8000/ledger\n1\nAAAA\n", 5)}

        with pytest.raises(NotProven, match="does not hold"):
            verify(raw(file), keys, witnesses=[signer.verifier.vkey])

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_one_that_is_named_is_demanded_and_the_ledger_itself_is_none(
        self, held: dict[str, str], keys: list[str]
    ) -> None:
        witness = Signer("w.example", COSIGNATURE, ed25519.Ed25519PrivateKey.generate()).verifier.vkey
        for named in ([witness], [keys[0]], keys):
            with pytest.raises(NotProven, match="0 of the witnesses cosigned, and 1 are needed"):
                verify(raw(held), keys, witnesses=named)


class TestHistory:
    def test_consistency_is_the_standards(self) -> None:
        for second in range(1, 40):
            for first in range(1, second + 1):
                path = merkle.consistency(first, second, node)
                assert receipt.consistent(first, second, ROOTS[first], ROOTS[second], path)
                assert not receipt.consistent(first, second, ROOTS[first], bytes(32), path)
                assert not receipt.consistent(first, second, bytes(32), ROOTS[second], path)
                assert not receipt.consistent(first, second, ROOTS[first], ROOTS[second], [*path, bytes(32)])
                if path:
                    assert not receipt.consistent(first, second, ROOTS[first], ROOTS[second], path[:-1])
        assert not receipt.consistent(5, 4, ROOTS[5], ROOTS[4], [])

    @pytest.mark.parametrize("said", [b"\xff", b"[]", b"{}", b'{"consistency_path": 5}', b""])
    async def test_a_ledger_that_answers_something_else_proves_nothing(
        self, held: dict[str, str], keys: list[str], said: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proven = verify(raw(held), keys)
        smaller = replace(proven, checkpoint=replace(proven.checkpoint, size=proven.checkpoint.size - 1))
        note = held["proof"].partition("\n\n")[2].encode()
        for checkpoint in (said, note):
            answers = iter([checkpoint, said])
            monkeypatch.setattr(receipt, "_fetch", lambda _url, told=answers: next(told))

            with pytest.raises(NotProven):
                receipt.still_there(smaller, "https://x", keys)


class TestProgram:
    async def test_it_runs_by_itself(self, world: World, held: dict[str, str], keys: list[str], tmp_path: Path) -> None:
        """Copied to an empty directory, with a Python that sees nothing of this project."""
        program = tmp_path / "alone" / "receipt.py"
        program.parent.mkdir()
        program.write_text(SOURCE)
        (tmp_path / "receipt.json").write_text(json.dumps(held))
        (tmp_path / "keys").write_text("\n".join(keys) + "\n")
        (tmp_path / "jwks.json").write_bytes(world.ring.jwks())

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-P", str(program), *arguments]
            return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False, timeout=60)

        done = run("../receipt.json", "--key", "../keys", "--jwks", "../jwks.json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["proven"] is True
        assert told["receipt"]["event"]["state"] == "consent given"

        # Typed, with a name longer than a file's can be.
        done = run("../receipt.json", "--key", f"{'x' * 200}/{'y' * 200}+{keys[0]}")
        assert (done.returncode, done.stderr) == (
            1,
            "NOT PROVEN: this is no key of a ledger or a witness: name+id+base64\n",
        )

        broken = {**held, "salt": "A" * 43}
        (tmp_path / "receipt.json").write_text(json.dumps(broken))
        done = run("../receipt.json", "--key", keys[0])
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("NOT PROVEN: ")
