"""The ring: which key signs, which verify, which comes next. Shared by all workers through the store's directory."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path

import msgspec

from keys import rotation
from keys.algorithms import SIGNING, PrivateKey
from keys.derive import Pseudonyms
from keys.digest import b64encode
from keys.errors import UnknownKey
from keys.jwks import VerifyingKey, public_jwk, thumbprint
from keys.ledger import LedgerKeys
from keys.rotation import ACTIVE, ANNOUNCED, RETIRING, WITHDRAWN, KeyInfo
from keys.seal import Sealer
from keys.store import KeyStore

ALGORITHMS = ("ES256", "PS256", "RS256")
"""What we sign with. A key serves one algorithm."""

LOOK_S = 0.5
"""How often, in seconds, a process looks whether another one changed the ring."""


class SigningKey:
    """A private key with its JOSE headers prepared. Never shown, never logged."""

    __slots__ = ("_headers", "_key", "_sign", "alg", "kid")

    def __init__(self, kid: str, alg: str, key: PrivateKey) -> None:
        self.kid = kid
        self.alg = alg
        self._key = key
        self._sign = SIGNING[alg].sign
        self._headers: dict[str, bytes] = {}

    def sign(self, data: bytes) -> bytes:
        """The raw JWS signature over `data` (RFC 7518 section 3)."""
        return self._sign(self._key, data)

    def header(self, typ: str) -> bytes:
        """The encoded protected header for tokens of this `typ`, with the dot behind it."""
        found = self._headers.get(typ)
        if found is None:
            members = {"alg": self.alg, "kid": self.kid, "typ": typ}
            found = b64encode(msgspec.json.encode(members)).encode() + b"."
            self._headers[typ] = found
        return found


class Ring:
    def __init__(self, store: KeyStore, sealer: Sealer) -> None:
        self.sealer = sealer
        self.pseudonyms = Pseudonyms(store.secret())
        self.ledger = LedgerKeys(store)
        self._store = store
        self._lock = threading.Lock()
        self._private: dict[str, PrivateKey] = {}
        self._generation = 0
        self._looked = 0.0
        self._keys: list[KeyInfo] = []
        self._active: dict[str, SigningKey] = {}
        self._verifying: dict[str, VerifyingKey] = {}
        self._jwks = b""

    @classmethod
    def open(cls, directory: Path, kek: bytes, *, now: datetime) -> Ring:
        """Open the ring in `directory`; the first start makes an active and an announced key for each algorithm.

        KeysError when the directory is open to others or the key-encryption key is another one.
        """
        sealer = Sealer(kek)
        store = KeyStore(directory, sealer)
        ring = cls(store, sealer)
        with store.locked():
            if not store.generation():
                made = [ring._make(alg, state, now) for alg in ALGORITHMS for state in (ACTIVE, ANNOUNCED)]
                store.write(made)
        ring._load()
        return ring

    def active(self, alg: str = "ES256") -> SigningKey:
        """The one key that signs with `alg` now. UnknownKey when we do not sign with it."""
        self._look()
        try:
            return self._active[alg]
        except KeyError:
            raise UnknownKey(f"no active {alg} key") from None

    def find(self, kid: str) -> VerifyingKey | None:
        """Announced, active or retiring; never a withdrawn key."""
        self._look()
        return self._verifying.get(kid)

    def source(self, kid: str | None, alg: str) -> VerifyingKey | None:  # noqa: ARG002 - the shape of a key source
        """Our own keys as a source for `keys.jose.verify`: a `kid` is required."""
        return self.find(kid) if kid else None

    def jwks(self) -> bytes:
        """The public JWK Set, canonical bytes; the same object until the ring changes."""
        self._look()
        return self._jwks

    def list(self) -> list[KeyInfo]:
        self._look()
        return self._keys

    def rotate(self, alg: str, now: datetime) -> KeyInfo:
        """Planned rotation; answers the newly announced key."""
        if alg not in ALGORITHMS:
            raise UnknownKey(f"we do not sign with {alg}")
        with self._store.locked():
            new = self._make(alg, ANNOUNCED, now)
            self._store.write(rotation.rotate(self._store.read(), new, now))
        self._load()
        return new

    def retire(self, before: datetime, now: datetime) -> None:
        """Withdraw keys that have been retiring since `before`."""
        with self._store.locked():
            keys = self._store.read()
            after = rotation.retire(keys, before, now)
            if after != keys:
                self._store.write(after)
        self._load()

    def revoke(self, kid: str, now: datetime) -> None:
        """Emergency: withdrawn at once in every process that looks (within `LOOK_S`)."""
        with self._store.locked():
            keys = rotation.revoke(self._store.read(), kid, now)
            alg = next(key.alg for key in keys if key.kid == kid)
            if not any(key.alg == alg and key.state == ANNOUNCED for key in keys):
                keys.append(self._make(alg, ANNOUNCED, now))
            self._store.write(keys)
        self._load()

    def _make(self, alg: str, state: str, now: datetime) -> KeyInfo:
        key = SIGNING[alg].generate()
        kid = thumbprint(public_jwk(key.public_key()))
        self._store.add(kid, key)
        self._private[kid] = key
        return KeyInfo(kid, alg, state, now, now)

    def _look(self) -> None:
        at = time.monotonic()
        if at - self._looked < LOOK_S:
            return
        self._looked = at
        if self._store.generation() != self._generation:
            self._load()

    def _load(self) -> None:
        with self._lock:
            self._generation = self._store.generation()
            keys = self._store.read()
            active: dict[str, SigningKey] = {}
            verifying: dict[str, VerifyingKey] = {}
            documents = []
            for info in keys:
                if info.state == WITHDRAWN:
                    self._private.pop(info.kid, None)
                    continue
                # RSA keys are checked when loaded, 36 ms each: once, and kept.
                key = self._private.get(info.kid) or self._private.setdefault(info.kid, self._store.load(info.kid))
                jwk = {**public_jwk(key.public_key()), "use": "sig", "alg": info.alg, "kid": info.kid}
                verifying[info.kid] = VerifyingKey.of(jwk)
                documents.append(jwk)
                if info.state == ACTIVE:
                    active[info.alg] = SigningKey(info.kid, info.alg, key)
            order = {ACTIVE: 0, ANNOUNCED: 1, RETIRING: 2}
            states = {info.kid: order.get(info.state, 3) for info in keys}
            documents.sort(key=lambda jwk: (states[jwk["kid"]], jwk["alg"]))
            self._keys, self._active, self._verifying = keys, active, verifying
            self._jwks = msgspec.json.encode({"keys": documents})
