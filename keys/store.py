"""Keys on disk: one sealed file a key (0600), one sealed ring file that says the state of each.

Write order: a new key's own file first, the ring file that names it last. A process that dies in between leaves a key
file that nothing refers to, and the old ring.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from keys.algorithms import PrivateKey
from keys.errors import KeysError, Unsealable
from keys.files import is_private, private_directory, write, write_new
from keys.rotation import KeyInfo
from keys.seal import Sealer

_RING = "ring.sealed"
_SECRET = "pseudonyms.sealed"


class _Row(msgspec.Struct):
    kid: str
    alg: str
    state: str
    created_at: datetime
    changed_at: datetime


def has_keys(directory: Path) -> bool:
    """Whether a ring was made there."""
    return (directory / _SECRET).exists()


class KeyStore:
    def __init__(self, directory: Path, sealer: Sealer) -> None:
        self._directory = directory
        self._sealer = sealer
        private_directory(directory)
        if not is_private(directory):
            raise KeysError(f"{directory} can be entered by others than its owner; run: chmod 700 {directory}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes the ring."""
        with (self._directory / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def generation(self) -> int:
        """Changes whenever the ring changes; 0 when there is none."""
        return self.changed(_RING)

    def changed(self, name: str) -> int:
        """When a file last changed, nanoseconds; 0 when there is none."""
        try:
            return (self._directory / name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def read(self) -> list[KeyInfo]:
        raw = msgspec.json.decode(self._open(_RING), type=list[_Row])
        return [KeyInfo(row.kid, row.alg, row.state, row.created_at, row.changed_at) for row in raw]

    def write(self, keys: list[KeyInfo]) -> None:
        rows = [_Row(key.kid, key.alg, key.state, key.created_at, key.changed_at) for key in keys]
        self.replace(_RING, msgspec.json.encode(rows))

    def add(self, kid: str, key: PrivateKey) -> None:
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        write(self._directory / f"{kid}.sealed", self._seal(f"{kid}.sealed", der))

    def load(self, kid: str) -> PrivateKey:
        # Checking an RSA key takes 75 ms; these bytes were made by `add` and are authenticated by their seal.
        der = self._open(f"{kid}.sealed")
        return load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)  # type: ignore[return-value]  # made by add

    def secret(self) -> bytes:
        """The 32 bytes that pseudonyms grow from, made at first use. Losing them loses every pseudonym."""
        return self.once(_SECRET, lambda: os.urandom(32))

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The bytes of a sealed file that is made at first use; of processes that make it together one is the first."""
        path = self._directory / name
        if not path.exists():
            write_new(path, self._seal(name, make()))
        return self._open(name)

    def replace(self, name: str, data: bytes) -> None:
        write(self._directory / name, self._seal(name, data))

    def _seal(self, name: str, data: bytes) -> bytes:
        return self._sealer.seal_system(data, table="keys", column="file", row=name)

    def _open(self, name: str) -> bytes:
        try:
            return self._sealer.open_system(
                (self._directory / name).read_bytes(), table="keys", column="file", row=name
            )
        except Unsealable as error:
            raise KeysError(
                f"{self._directory / name} does not open with this key-encryption key; "
                "set REGIE_KEK to the one these keys were made with"
            ) from error
