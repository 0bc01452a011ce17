"""C2SP signed-note, tlog-cosignature and the ledger's own keys."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.notes import COSIGNATURE, ECDSA, ED25519, BadNote, Signer, Verifier, open_note, split
from keys.ring import Ring
from tests.fixtures.house import KEK, START

TEXT = "example.com/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SUM_DB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""The key of the Go checksum database, as its documentation prints it."""


@pytest.fixture
def log() -> Signer:
    return Signer("example.com/log", ED25519, ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def witness() -> Signer:
    return Signer("witness.example/w1", COSIGNATURE, ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def browser() -> Signer:
    return Signer("example.com/log", ECDSA, ec.generate_private_key(ec.SECP256R1()))


class TestVerifierKey:
    def test_the_key_of_the_go_checksum_database_reads_and_has_its_id(self) -> None:
        """A key that others made: name, id and kind as `golang.org/x/mod/sumdb/note` writes them."""
        verifier = Verifier.parse(SUM_DB)

        assert (verifier.name, verifier.id.hex(), verifier.kind) == ("sum.golang.org", "033de0ae", ED25519)
        assert verifier.vkey == SUM_DB

    def test_every_kind_reads_back(self, log: Signer, witness: Signer, browser: Signer) -> None:
        for signer in (log, witness, browser):
            assert Verifier.parse(signer.verifier.vkey) == signer.verifier

    def test_the_id_of_an_ecdsa_key_is_of_its_spki(self, browser: Signer) -> None:
        """ "the key ID for these signatures is the truncated SHA-256 hash of the DER encoded public key in SPKI format"."""
        import hashlib

        spki = browser.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

        assert browser.verifier.id == hashlib.sha256(spki).digest()[:4]

    @pytest.mark.parametrize(
        "change",
        [
            lambda vkey: vkey.replace("033de0ae", "033de0af"),
            lambda vkey: vkey.replace("sum", "sun"),
            lambda vkey: vkey.replace("+Ac", "+Bc"),
            lambda vkey: vkey[:-1],
            lambda vkey: vkey + "\n",
            lambda vkey: vkey.replace("sum.golang.org", "a b"),
            lambda _vkey: "",
            lambda _vkey: "x" * 100_000,
        ],
    )
    def test_an_altered_key_is_none(self, change: Callable[[str], str]) -> None:
        with pytest.raises(BadNote):
            Verifier.parse(change(SUM_DB))

    def test_another_curve_is_none(self) -> None:
        key = ec.generate_private_key(ec.SECP384R1()).public_key()
        raw = b"\x02" + key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

        with pytest.raises(BadNote):
            Verifier.parse("x+00000000+" + base64.b64encode(raw).decode())


class TestNote:
    def test_all_who_signed_are_told(self, log: Signer, witness: Signer, browser: Signer) -> None:
        note = TEXT + "\n" + log.line(TEXT) + browser.line(TEXT) + witness.line(TEXT, 1_679_315_147)

        text, signed = open_note(note, [one.verifier for one in (log, witness, browser)])

        assert text == TEXT
        assert [(one.kind, one.at) for one in signed] == [(ED25519, 0), (ECDSA, 0), (COSIGNATURE, 1_679_315_147)]

    def test_what_a_witness_signs_is_the_standards_text(self, witness: Signer) -> None:
        from keys.notes import cosigned, signature_of

        raw = signature_of(witness.line(TEXT, 1_679_315_147).strip("\n"))[1]

        expected = b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()
        assert cosigned(TEXT, 1_679_315_147) == expected
        witness.key.public_key().verify(raw[12:], expected)
        assert int.from_bytes(raw[4:12], "big") == 1_679_315_147

    def test_a_known_signature_that_does_not_hold_refuses_the_note(self, log: Signer, witness: Signer) -> None:
        note = TEXT + "\n" + log.line(TEXT) + witness.line(TEXT, 5)
        other = note.replace("\n7\n", "\n8\n")

        for altered in (other, other.replace(log.line(TEXT), log.line(other.partition("\n\n")[0] + "\n"))):
            with pytest.raises(BadNote):
                open_note(altered, [log.verifier, witness.verifier])

    def test_strangers_are_ignored_and_alone_are_not_enough(self, log: Signer, witness: Signer) -> None:
        note = TEXT + "\n" + log.line(TEXT) + witness.line(TEXT, 5)

        assert [one.name for one in open_note(note, [log.verifier])[1]] == ["example.com/log"]
        with pytest.raises(BadNote):
            open_note(note, [Signer("other", ED25519, ed25519.Ed25519PrivateKey.generate()).verifier])
        with pytest.raises(BadNote):
            open_note(note, [])

    def test_the_time_of_a_cosignature_is_signed(self, log: Signer, witness: Signer) -> None:
        line = witness.line(TEXT, 5)
        raw = bytearray(base64.b64decode(line.split()[2]))
        raw[11] += 1

        with pytest.raises(BadNote):
            open_note(f"{TEXT}\n— {witness.name} {base64.b64encode(raw).decode()}\n", [witness.verifier])

    @pytest.mark.parametrize(
        "note",
        [
            "", "\n\n", TEXT, TEXT + "\n", "\n" + TEXT, TEXT + "\n— x AAAAAAAA", TEXT + "\n- x AAAAAAAA\n",
            TEXT + "\n— x  AAAAAAAA\n", TEXT + "\n— x AAAAAAAA\n\n", TEXT + "\r\n\n— x AAAAAAAA\n",
            TEXT + "\x00\n\n— x AAAAAAAA\n", TEXT + "\n" + "— x AAAAAAAA\n" * 65, "x" * 70_000,
        ],
    )  # fmt: skip
    def test_what_has_not_the_form_of_a_note_is_none(self, note: str) -> None:
        with pytest.raises(BadNote):
            split(note)

    def test_base64_has_one_spelling(self, log: Signer) -> None:
        """The unused bits of the last character are zero: no second note has the same signature."""
        line = log.line(TEXT)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        altered = line[:-3] + letters[letters.index(line[-3]) ^ 1] + line[-2:]
        assert base64.b64decode(altered.split()[2]) == base64.b64decode(line.split()[2])

        with pytest.raises(BadNote):
            open_note(TEXT + "\n" + altered, [log.verifier])


class TestLedgerKeys:
    @pytest.fixture
    def ring(self, ring_directory: Path, tmp_path: Path) -> Ring:
        shutil.copytree(ring_directory, tmp_path / "keys")
        return Ring.open(tmp_path / "keys", KEK, now=START)

    def test_a_note_has_two_signatures_that_both_verify(self, ring: Ring) -> None:
        note = ring.ledger.sign("example.com/ledger", TEXT)

        _, signed = open_note(note, ring.ledger.verifiers("example.com/ledger"))

        assert [one.kind for one in signed] == [ED25519, ECDSA]

    def test_they_are_never_in_the_jwks(self, ring: Ring) -> None:
        """What signs a token cannot sign a history, nor the reverse."""
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        from keys.jwks import public_jwk

        ring.ledger.sign("x", TEXT)
        for verifier in ring.ledger.verifiers("x"):
            key = verifier.key if verifier.kind == ED25519 else load_der_public_key(verifier.encoded)
            assert public_jwk(key)["x"].encode() not in ring.jwks()
        assert {key["kty"] for key in json.loads(ring.jwks())["keys"]} == {"EC", "RSA"}

    def test_another_process_signs_with_the_same_and_sees_a_rotation(self, ring: Ring, tmp_path: Path) -> None:
        other = Ring.open(tmp_path / "keys", KEK, now=START)
        before = other.ledger.sign("x", TEXT)
        assert before.split("\n")[4] == ring.ledger.sign("x", TEXT).split("\n")[4]

        ring.ledger.rotate(START + timedelta(days=1))
        after = other.ledger.sign("x", TEXT)

        assert after.split("\n")[4] != before.split("\n")[4]
        verifiers = other.ledger.verifiers("x")
        assert len(verifiers) == 4
        # The former pair signs beside the new one; of who was there before the new one, nobody knows it.
        for note, signatures in ((before, (0, 2)), (after, (2, 2))):
            found = []
            for pair in (verifiers[:2], verifiers[2:]):
                try:
                    found.append(len(open_note(note, pair)[1]))
                except BadNote:
                    found.append(0)
            assert tuple(found) == signatures

    def test_they_are_sealed_on_disk(self, ring: Ring, tmp_path: Path) -> None:
        ring.ledger.sign("x", TEXT)
        raw = (tmp_path / "keys" / "ledger.sealed").read_bytes()

        pair = ring.ledger._all()[0]
        assert pair.ed25519 not in raw
        assert base64.b64encode(pair.ed25519) not in raw
