"""Sealing of personal data: AES-256-GCM, bound to the table, column and row that holds it.

A citizen has a data key of his own, wrapped under the key-encryption key. Destroying the wrapped key forgets the
citizen, in the database and in every backup of it. Nonces are 96 random bits: one data key seals a few dozen values
in a lifetime and the system key far below 2^32, the bound of NIST SP 800-38D section 8.3.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import Unsealable

NONCE = 12
_WRAP = b"regie data key"


def expand(key: bytes, label: str) -> bytes:
    """A 32-byte key for one purpose, by its fixed label (HKDF-SHA-256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label.encode()).derive(key)


class Sealer:
    """Seals and opens. `kek`: 32 bytes."""

    def __init__(self, kek: bytes) -> None:
        self._wrapping = AESGCM(expand(kek, "regie wrap v1"))
        self._system = AESGCM(expand(kek, "regie system v1"))

    def new_data_key(self) -> bytes:
        """A fresh data key, wrapped (60 bytes): keep it with its citizen, lose it to forget him."""
        return _encrypt(self._wrapping, os.urandom(32), _WRAP)

    def opener(self, wrapped: bytes) -> DataKey:
        """Unwrap once for several values of one citizen. Unsealable when destroyed or foreign."""
        return DataKey(AESGCM(_decrypt(self._wrapping, wrapped, _WRAP)))

    def seal(self, plaintext: bytes, *, wrapped: bytes, table: str, column: str, row: str) -> bytes:
        return self.opener(wrapped).seal(plaintext, table=table, column=column, row=row)

    def open(self, sealed: bytes, *, wrapped: bytes, table: str, column: str, row: str) -> bytes:
        return self.opener(wrapped).open(sealed, table=table, column=column, row=row)

    def seal_system(self, plaintext: bytes, *, table: str, column: str, row: str) -> bytes:
        """For what belongs to no citizen."""
        return _encrypt(self._system, plaintext, _place(table, column, row))

    def open_system(self, sealed: bytes, *, table: str, column: str, row: str) -> bytes:
        return _decrypt(self._system, sealed, _place(table, column, row))


class DataKey:
    """One citizen's key, unwrapped; never stored."""

    __slots__ = ("_aead",)

    def __init__(self, aead: AESGCM) -> None:
        self._aead = aead

    def seal(self, plaintext: bytes, *, table: str, column: str, row: str) -> bytes:
        return _encrypt(self._aead, plaintext, _place(table, column, row))

    def open(self, sealed: bytes, *, table: str, column: str, row: str) -> bytes:
        return _decrypt(self._aead, sealed, _place(table, column, row))


def _place(*parts: str) -> bytes:
    """Length-prefixed, so that no two places read alike."""
    return b"".join(struct.pack(">I", len(raw)) + raw for raw in (part.encode() for part in parts))


def _encrypt(aead: AESGCM, plaintext: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + aead.encrypt(nonce, plaintext, place)


def _decrypt(aead: AESGCM, sealed: bytes, place: bytes) -> bytes:
    try:
        return aead.decrypt(sealed[:NONCE], sealed[NONCE:], place)
    except (InvalidTag, ValueError) as error:
        raise Unsealable("sealed bytes do not open here") from error
