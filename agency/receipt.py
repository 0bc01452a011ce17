"""Verifying a receipt of the consent registry, by itself: the standard library and `cryptography` are all it needs.

    python receipt.py receipt.json --key KEYS [--jwks JWKS] [--witness VKEY --quorum 1] [--ledger https://…/ledger]

KEYS: what https://…/ledger/key said once. Nothing is asked, but with --ledger: whether today's goes on from the receipt.

 1. the file has its four members: receipt, entry, salt, proof
 2. leaf = SHA-256(0x00 ‖ SHA-256(salt ‖ entry))                                 (RFC 9162 section 2.1.1)
 3. the checkpoint in the proof is signed by the ledger's key                     (C2SP signed-note, tlog-checkpoint)
 4. the path in the proof leads from the leaf to the checkpoint's root            (RFC 9162 section 2.1.3.2)
 5. as many witnesses as are asked for cosigned the checkpoint                    (C2SP tlog-cosignature)
 6. the receipt names this leaf; with the registry's JWKS, it is signed by it     (RFC 7515, ES256)
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

MAX_FILE = 256 * 1024


class NotProven(Exception):
    """The file does not prove what it says; the message is the step that failed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """What holds. `entry`: the event that is in the ledger at `index`. `receipt`: its words, when their signature holds."""

    entry: dict[str, Any]
    index: int
    checkpoint: Checkpoint
    cosigned_by: tuple[tuple[str, int], ...]
    receipt: dict[str, Any] | None


def verify(
    raw: bytes, keys: Iterable[str], *, jwks: bytes | None = None, witnesses: Sequence[str] = (), quorum: int = 0
) -> Proven:
    """Believe a receipt file, or NotProven. `keys`, `witnesses`: verifier keys, `name+id+base64`. `quorum`: of these, one at least."""
    file = _file(raw)
    entry, salt, told = file["entry"].encode(), _url64(file["salt"]), _object(file["entry"].encode())
    if len(salt) != 32:
        raise NotProven("the salt has not 32 bytes")
    leaf = hashlib.sha256(b"\x00" + hashlib.sha256(salt + entry).digest()).digest()
    index, path, note = _proof(file["proof"])
    checkpoint = checkpoint_of(note)
    if not any(name == checkpoint.origin for name, _ in signatures_of(note, [key_of(one) for one in keys])):
        raise NotProven("the checkpoint is not signed by the ledger's key")
    if _root(leaf, index, checkpoint.size, path) != checkpoint.root:
        raise NotProven("the entry is not in the ledger: the path leads to another root")
    cosigned = dict(signatures_of(note, [key for key in map(key_of, witnesses) if key.kind == 4]))
    if len(cosigned) < (needed := max(quorum, min(1, len(witnesses)))):
        raise NotProven(f"{len(cosigned)} of the witnesses cosigned, and {needed} are needed")
    return Proven(told, index, checkpoint, tuple(cosigned.items()), _receipt(file["receipt"], leaf, jwks))


def told_of(proven: Proven) -> dict[str, Any]:
    told = {"entry": proven.entry, "index": proven.index, "origin": proven.checkpoint.origin}
    return {**told, "size": proven.checkpoint.size, "cosigned_by": proven.cosigned_by, "receipt": proven.receipt}


def still_there(proven: Proven, prefix: str, keys: Iterable[str]) -> Checkpoint:
    """The ledger's checkpoint of today, once it is proven that it goes on from the receipt's. NotProven; as urlopen."""
    note = _fetch(f"{prefix}/checkpoint").decode(errors="replace")
    logs, before = [key_of(one) for one in keys], proven.checkpoint
    now = checkpoint_of(note)
    if not any(name == now.origin == before.origin for name, _ in signatures_of(note, logs)):
        raise NotProven("the ledger's checkpoint of today is not signed by its key")
    told = _object(_fetch(f"{prefix}/proofs/consistency?first={before.size}&second={now.size}"))
    path = [base64_of(one) for one in re.findall("[A-Za-z0-9+/]{43}=", str(told.get("consistency_path")))]
    if not consistent(before.size, now.size, before.root, now.root, path):
        raise NotProven("the ledger of today is another history than the one that the receipt was proven in")
    return now


def consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of `second` leaves begins with that of `first` (RFC 9162 section 2.1.4.2)."""
    if first in (0, second) or first > second:
        return not path and first_root == second_root and first == second
    shift = (first & -first).bit_length() - 1
    place, last = (first - 1) >> shift, (second - 1) >> shift
    shown = [first_root, *path] if first & (first - 1) == 0 else list(path)
    sides = list(_sides(place, last))
    if len(shown) != len(sides) + 1:
        return False
    old = new = shown[0]
    for left, one in zip(sides, shown[1:], strict=True):
        old, new = (_node(one, old), _node(one, new)) if left else (old, _node(new, one))
    return old == first_root and new == second_root


def _file(raw: bytes) -> dict[str, str]:
    file = _object(raw)
    told = [file.get(name) for name in ("receipt", "entry", "salt", "proof")]
    if not all(isinstance(one, str) and re.search("[\ud800-\udfff]", one) is None for one in told):
        raise NotProven("this is no receipt file: it has a receipt, an entry, a salt and a proof")
    if not file["proof"]:
        raise NotProven("this receipt was downloaded before its entry was in the ledger: download it again")
    return file


def _proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, path, and the signed checkpoint (C2SP tlog-proof)."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or not head.startswith("c2sp.org/tlog-proof@v1\nindex ") or len(lines) > 65:
        raise NotProven("the proof has not the form of one")
    return number_of(lines[1][6:]), [*map(base64_of, lines[2:])], note


def checkpoint_of(note: str) -> Checkpoint:
    lines = note.rpartition("\n\n")[0].split("\n")
    if len(lines) != 3:
        raise NotProven("the checkpoint has not the form of one")
    return Checkpoint(lines[0], number_of(lines[1]), base64_of(lines[2]))


def _root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    sides = list(_sides(index, size - 1))
    if not 0 <= index < size or len(sides) != len(path):
        raise NotProven("the entry is not in the ledger: the path has not its length")
    for left, one in zip(sides, path, strict=True):
        leaf = _node(one, leaf) if left else _node(leaf, one)
    return leaf


def _sides(place: int, last: int) -> Iterator[bool]:
    """From a place among the leaves up to the root: whether what is beside it stands on its left."""
    while last > 0:
        left = bool(place & 1) or place == last
        yield left
        while left and not place & 1 and place:
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Key:
    """`kind`: 1 Ed25519, 2 ECDSA, 4 a witness's cosignature."""

    name: str
    id: bytes
    kind: int
    key: Any

    def time_of(self, text: str, signature: bytes) -> int:
        """Raises InvalidSignature; answers a cosignature's time, else 0."""
        at = int.from_bytes(signature[:8], "big") if self.kind == 4 else 0
        said = f"cosignature/v1\ntime {at}\n{text}" if self.kind == 4 else text
        how = (ec.ECDSA(SHA256()),) if self.kind == 2 else ()
        self.key.verify(signature[8:] if self.kind == 4 else signature, said.encode(), *how)
        return at


def key_of(text: str) -> Key:
    try:
        name, given, encoded = text.strip().split("+", 2)
        raw = base64_of(encoded)
        kind, key = raw[0], raw[1:]
        whole = key if kind == 2 else name.encode() + b"\n" + raw
        if hashlib.sha256(whole).digest()[:4].hex() != given or kind not in (1, 2, 4):
            raise ValueError(given)
        point = ec.EllipticCurvePublicKey.from_encoded_point  # of P-256: the last 65 bytes of its 91 in DER
        public = point(ec.SECP256R1(), key[26:]) if kind == 2 else ed25519.Ed25519PublicKey.from_public_bytes(key)
        return Key(name, bytes.fromhex(given), kind, public)
    except (NotProven, ValueError, IndexError) as error:
        raise NotProven("this is no key of a ledger or a witness: name+id+base64") from error


def signatures_of(note: str, keys: Sequence[Key]) -> list[tuple[str, int]]:
    """Who of these signed, and when; a signature that bears one's name and id and does not hold refuses the note."""
    text, _, lines = note.rpartition("\n\n")
    known = {(one.name, one.id): one for one in keys}
    found = []
    for name, encoded in re.findall(r"^— (\S+) (\S+)$", lines, re.MULTILINE)[:64]:
        key = known.get((name, (raw := base64_of(encoded))[:4]))
        try:
            found += [(key.name, key.time_of(text + "\n", raw[4:]))] if key is not None else []
        except InvalidSignature as error:
            raise NotProven(f"the signature of {name} does not hold") from error
    return found


def _receipt(jws: str, leaf: bytes, jwks: bytes | None) -> dict[str, Any] | None:
    """The receipt's claims, when the registry's keys are there to verify them. Either way it must name this leaf."""
    parts = jws.split(".")
    if len(parts) != 3:
        raise NotProven("the receipt is no JWS")
    header, claims, signature = _object(_url64(parts[0])), _object(_url64(parts[1])), _url64(parts[2])
    named = claims.get("ledger")
    if not isinstance(named, dict) or named.get("leaf_hash") != base64.urlsafe_b64encode(leaf).decode().rstrip("="):
        raise NotProven("the receipt is of another entry")
    if jwks is None:
        return None
    if header.get("alg") != "ES256" or header.get("typ") != "receipt+jwt" or len(signature) != 64:
        raise NotProven("the receipt is not signed as one")
    try:
        (jwk,) = [one for one in _object(jwks)["keys"] if one["kid"] == header.get("kid") and one["crv"] == "P-256"]
        point = b"\x04" + _url64(str(jwk["x"])) + _url64(str(jwk["y"]))
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        key.verify(der, f"{parts[0]}.{parts[1]}".encode(), ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError, KeyError, TypeError) as error:
        raise NotProven("the receipt is not signed by the registry's keys") from error
    return claims


def _object(raw: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        if len(raw) <= MAX_FILE and isinstance(found := json.loads(raw.decode(), object_pairs_hook=_once), dict):
            return found
    raise NotProven("this is no JSON object, or one that is too large")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(members)) < len(members):
        raise ValueError("a member stands twice: two readers would read two things")
    return found


def number_of(text: str) -> int:
    if re.fullmatch("0|[1-9][0-9]{0,17}", text) is None:
        raise NotProven("not a whole number")
    return int(text)


def base64_of(text: str) -> bytes:
    usual = re.fullmatch("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?", text)
    raw = base64.b64decode(text) if usual is not None else b""
    if base64.b64encode(raw).decode() != text:
        raise NotProven("not canonical base64")
    return raw


def _url64(text: str) -> bytes:
    return base64_of(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _fetch(url: str) -> bytes:
    if re.match(r"https://|http://(localhost|127\.0\.0\.1)[:/]", url) is None:
        raise NotProven("the ledger's address must be https")
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the scheme was looked at
        return bytes(answer.read(MAX_FILE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when it is proven, 1 when not."""
    parser = argparse.ArgumentParser(description="Verify a receipt of the consent registry.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", required=True, help="the ledger's key, or a file with it")
    parser.add_argument("--jwks", type=Path, help="the registry's keys: what /oauth2/jwks said")
    parser.add_argument("--witness", action="append", default=[], help="a witness's key")
    parser.add_argument("--quorum", type=int, default=0, help="how many of these must have cosigned: one at least")
    parser.add_argument("--ledger", help="https://…/ledger: ask whether today's ledger goes on from the receipt's")
    given = parser.parse_args(arguments)
    try:
        keys = (Path(given.key).read_text() if os.path.isfile(given.key) else given.key).split()  # noqa: PTH113 - no path of any length raises
        with given.file.open("rb") as file:
            raw, jwks = file.read(MAX_FILE + 1), given.jwks.read_bytes() if given.jwks else None
        proven = verify(raw, keys, jwks=jwks, witnesses=given.witness, quorum=given.quorum)
        now = still_there(proven, given.ledger, keys) if given.ledger else None
    except (NotProven, OSError, HTTPException, ValueError) as error:
        print(f"NOT PROVEN: {error}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    print(json.dumps({"proven": True, **told_of(proven), "size_today": now and now.size}, indent=1, ensure_ascii=False))  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
