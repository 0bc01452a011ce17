"""Signed notes: a text with signature lines under it, as checkpoints of a log are (C2SP signed-note).

Three kinds of signature: Ed25519 (0x01), ECDSA on P-256 (0x02, what a browser without Ed25519 verifies), and the
timestamped Ed25519 of a witness (0x04, C2SP tlog-cosignature). Standard base64 here, with padding, as the notes have it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from keys.errors import KeysError

ED25519, ECDSA, COSIGNATURE = 0x01, 0x02, 0x04
MAX_NOTE = 64 * 1024
"""Bytes of a note that we read at all."""
MAX_SIGNATURES = 64

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
_NAME = re.compile(r"[^\s+]{1,200}\Z")
_LINE = re.compile(r"— (\S{1,200}) ([A-Za-z0-9+/]{8,12000}={0,2})\Z")
_VKEY = re.compile(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44,200}={0,2})\Z")
_SHA256 = ec.ECDSA(hashes.SHA256())


class BadNote(KeysError):
    """Not a note, not signed by a key we know, or altered."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that verified. `at`: seconds since 1970 of a cosignature, else 0. `line`: without line break."""

    name: str
    kind: int
    at: int
    line: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key of a log or of a witness, by name and 4-byte key id."""

    name: str
    kind: int
    key: PublicKey

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise BadNote("a key name has no spaces and no plus sign")

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """From `name+id+base64(kind ‖ key)`. BadNote."""
        found = _VKEY.match(vkey)
        if found is None:
            raise BadNote("not a verifier key: name+id+base64")
        raw = _decoded(found[3])
        try:
            key = _public(raw[0], raw[1:])
        except (ValueError, TypeError) as error:
            raise BadNote("not a public key") from error
        verifier = cls(found[1], raw[0], key)
        if verifier.id.hex() != found[2]:
            raise BadNote("the key id is not this key's")
        return verifier

    @property
    def encoded(self) -> bytes:
        """The public key: 32 bytes of Ed25519, or SPKI in DER."""
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return self.key.public_bytes_raw()
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def id(self) -> bytes:
        if self.kind == ECDSA:
            # As the ECDSA witnesses compute it: of the key alone (C2SP signed-note, signature types).
            return hashlib.sha256(self.encoded).digest()[:4]
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.encoded).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encoded(bytes([self.kind]) + self.encoded)}"

    def verify(self, text: str, signature: bytes) -> int:
        """Seconds of a cosignature's time, else 0. BadNote when the signature is not of this text by this key."""
        at = 0
        message = text.encode()
        if self.kind == COSIGNATURE:
            if len(signature) != 72:
                raise BadNote("a cosignature has 72 bytes")
            at = struct.unpack(">Q", signature[:8])[0]
            message, signature = cosigned(text, at), signature[8:]
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, message)
            else:
                self.key.verify(signature, message, _SHA256)
        except InvalidSignature as error:
            raise BadNote(f"the signature of {self.name} does not hold") from error
        return at


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs notes under a name."""

    name: str
    kind: int
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.kind, self.key.public_key())

    def line(self, text: str, at: int = 0) -> str:
        """The signature line of `text`, with its line break. `at`: the time of a cosignature, seconds since 1970."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            signature = self.key.sign(text.encode(), _SHA256)
        elif self.kind == COSIGNATURE:
            signature = struct.pack(">Q", at) + self.key.sign(cosigned(text, at))
        else:
            signature = self.key.sign(text.encode())
        return f"— {self.name} {_encoded(self.verifier.id + signature)}\n"


def cosigned(text: str, at: int) -> bytes:
    """What a witness signs (C2SP tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def split(note: str) -> tuple[str, list[str]]:
    """Text (with its last line break) and signature lines (without). BadNote for what has not the form of a note."""
    if len(note) > MAX_NOTE or any(ord(character) < 0x20 and character != "\n" for character in note):
        raise BadNote("not a note of acceptable size and characters")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or not text or lines.pop() or not lines or len(lines) > MAX_SIGNATURES:
        raise BadNote("a note has a text, an empty line and signature lines")
    if not all(_LINE.match(line) for line in lines):
        raise BadNote("a line that is no signature")
    return text + "\n", lines


def open_note(note: str, verifiers: Sequence[Verifier]) -> tuple[str, tuple[Signed, ...]]:
    """The text, and who of those we know signed it: at least one.

    Signatures by others are ignored; one that bears a known name and id and does not hold refuses the whole note.
    """
    text, lines = split(note)
    known = {(one.name, one.id): one for one in verifiers}
    held: dict[tuple[str, bytes], Signed] = {}
    for line in lines:
        name, raw = signature_of(line)
        verifier = known.get((name, raw[:4]))
        if verifier is not None and (name, raw[:4]) not in held:
            held[name, raw[:4]] = Signed(name, verifier.kind, verifier.verify(text, raw[4:]), line)
    if not held:
        raise BadNote("not signed by a key that we know")
    return text, tuple(held.values())


def signature_of(line: str) -> tuple[str, bytes]:
    """Name, and key id with signature, of one signature line. BadNote."""
    found = _LINE.match(line)
    if found is None:
        raise BadNote("a line that is no signature")
    return found[1], _decoded(found[2])


def _public(kind: int, raw: bytes) -> PublicKey:
    if kind in (ED25519, COSIGNATURE):
        return ed25519.Ed25519PublicKey.from_public_bytes(raw)
    if kind == ECDSA:
        key = load_der_public_key(raw)
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return key
    raise ValueError("not a kind of key that signs notes here")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadNote("not base64") from error
    if len(raw) < 5 or _encoded(raw) != text:
        raise BadNote("not canonical base64 of a key or a signature")
    return raw
