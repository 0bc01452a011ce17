"""The ledger's own keys: Ed25519, and P-256 for browsers that lack it. They sign checkpoints and nothing else, ever.

They never stand in the JWKS: what signs a token must not be able to sign a history, nor the reverse. After a rotation
the former pairs stay published, so that receipts with older checkpoints verify.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from keys.notes import ECDSA, ED25519, Signer, Verifier
from keys.store import KeyStore

_FILE = "ledger.sealed"


class _Pair(msgspec.Struct):
    created_at: datetime | None
    ed25519: bytes
    p256: bytes


class LedgerKeys:
    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._changed = 0
        self._pairs: list[_Pair] = []

    def sign(self, name: str, text: str) -> str:
        """The note of `text`, signed under `name` by both keys of the newest pair, and of the one before it.

        So whoever knows the former keys alone (a witness, a receipt's holder) goes on until the next rotation.
        """
        signers = [signer for pair in self._all()[:2] for signer in _signers(name, pair)]
        return text + "\n" + "".join(signer.line(text) for signer in signers)

    def verifiers(self, name: str) -> Sequence[Verifier]:
        """Public keys under `name`, the newest pair first."""
        return [signer.verifier for pair in self._all() for signer in _signers(name, pair)]

    def rotate(self, now: datetime) -> None:
        """A new pair signs from now on, in every process."""
        with self._store.locked():
            self._store.replace(_FILE, msgspec.json.encode([_made(now), *self._all()]))

    def _all(self) -> list[_Pair]:
        changed = self._store.changed(_FILE)
        if changed != self._changed or not changed:
            raw = self._store.once(_FILE, lambda: msgspec.json.encode([_made(None)]))
            self._pairs = msgspec.json.decode(raw, type=list[_Pair])
            self._changed = changed
        return self._pairs


def _made(now: datetime | None) -> _Pair:
    scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _Pair(now, os.urandom(32), scalar.to_bytes(32, "big"))


def _signers(name: str, pair: _Pair) -> tuple[Signer, Signer]:
    p256 = ec.derive_private_key(int.from_bytes(pair.p256, "big"), ec.SECP256R1())
    return (
        Signer(name, ED25519, ed25519.Ed25519PrivateKey.from_private_bytes(pair.ed25519)),
        Signer(name, ECDSA, p256),
    )
