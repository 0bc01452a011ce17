"""The ring: which key signs, which verify, which decrypts, which comes next. Shared by all workers by the store's files.

A key has one use and one algorithm: what verifies never decrypts, and the reverse.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path

import msgspec

from keys import rotation
from keys.algorithms import ENCRYPTION, SIGNING, PrivateKey
from keys.derive import Pseudonyms
from keys.errors import UnknownKey
from keys.jwks import VerifyingKey, public_jwk, thumbprint
from keys.ledger import LedgerKeys
from keys.private import DecryptingKey, SigningKey
from keys.rotation import ACTIVE, ANNOUNCED, RETIRING, WITHDRAWN, KeyInfo
from keys.seal import Sealer
from keys.store import KeyStore

ALGORITHMS = ("ES256", "PS256", "RS256")
"""What we sign with."""
BORN = {**dict.fromkeys(ALGORITHMS, ANNOUNCED), **dict.fromkeys(ENCRYPTION, ACTIVE)}
"""The state in which a new key of each algorithm begins: senders may encrypt to a key as soon as they see it."""

LOOK_S = 0.5
"""How often, in seconds, a process looks whether another one changed the ring."""


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
        self._decrypting: dict[str, DecryptingKey] = {}
        self._receiving: dict[str, DecryptingKey] = {}
        self._jwks = b""

    @classmethod
    def open(cls, directory: Path, kek: bytes, *, now: datetime) -> Ring:
        """Open the ring in `directory`; an algorithm without keys gets its active one, and an announced one to sign with.

        KeysError when the directory is open to others or the key-encryption key is another one.
        """
        sealer = Sealer(kek)
        store = KeyStore(directory, sealer)
        ring = cls(store, sealer)
        with store.locked():
            keys = store.read() if store.generation() else []
            missing = BORN.keys() - {key.alg for key in keys}
            made = [
                ring._make(a, state, now) for a in BORN if a in missing for state in dict.fromkeys((ACTIVE, BORN[a]))
            ]
            if made:
                store.write([*keys, *made])
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

    def decrypting(self, kid: str | None, alg: str) -> DecryptingKey | None:
        """Our own keys as a source for `keys.jwe.decrypt`: the one named, or the active one where none is.

        Active or retiring: who encrypted to a key that was in the JWKS a moment ago is still understood.
        """
        self._look()
        if kid is None:
            return self._receiving.get(alg)
        if kid not in self._decrypting:
            # Another process may have shown a newer JWKS a moment ago. Looking costs the stat of one file.
            self._looked = 0.0
            self._look()
        return self._decrypting.get(kid)

    def jwks(self) -> bytes:
        """The public JWK Set, canonical bytes; the same object until the ring changes."""
        self._look()
        return self._jwks

    def list(self) -> list[KeyInfo]:
        self._look()
        return self._keys

    def rotate(self, alg: str, now: datetime) -> KeyInfo:
        """Planned rotation; answers the new key, which is announced first if it is to sign."""
        if alg not in BORN:
            raise UnknownKey(f"we have no keys for {alg}; we have for {', '.join(BORN)}")
        with self._store.locked():
            new = self._make(alg, BORN[alg], now)
            self._store.write(rotation.rotate(self._store.read(), new, now))
        self._load()
        return new

    def retire(self, alg: str, before: datetime, now: datetime) -> None:
        """Withdraw keys of `alg` that have been retiring since `before`."""
        with self._store.locked():
            keys = self._store.read()
            after = rotation.retire(keys, alg, before, now)
            if after != keys:
                self._store.write(after)
        self._load()

    def revoke(self, kid: str, now: datetime) -> None:
        """Emergency: withdrawn at once in every process that looks (within `LOOK_S`)."""
        with self._store.locked():
            keys = rotation.revoke(self._store.read(), kid, now)
            alg = next(key.alg for key in keys if key.kid == kid)
            if not any(key.alg == alg and key.state == BORN[alg] for key in keys):
                keys.append(self._make(alg, BORN[alg], now))
            self._store.write(keys)
        self._load()

    def _make(self, alg: str, state: str, now: datetime) -> KeyInfo:
        kind = SIGNING[alg] if alg in SIGNING else ENCRYPTION[alg]
        key = kind.generate()
        while (kid := thumbprint(public_jwk(key.public_key()))).startswith("-"):
            key = kind.generate()  # `regie keys revoke` would read the name as an option
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
            for info in keys:
                if info.state == WITHDRAWN:
                    self._private.pop(info.kid, None)
                elif info.kid not in self._private:
                    # RSA keys are checked when loaded, 36 ms each: once, and kept.
                    self._private[info.kid] = self._store.load(info.kid)
            living = [info for info in keys if info.state != WITHDRAWN]
            signing = [info for info in living if info.alg in SIGNING]
            decrypting = [info for info in living if info.alg in ENCRYPTION]
            self._keys = keys
            self._active = {i.alg: SigningKey(i.kid, i.alg, self._private[i.kid]) for i in signing if i.state == ACTIVE}
            self._verifying = {info.kid: VerifyingKey.of(self._jwk(info)) for info in signing}
            for one in self._verifying.values():
                one.proven = {}
            self._decrypting = {i.kid: DecryptingKey(i.kid, i.alg, self._private[i.kid]) for i in decrypting}
            self._receiving = {info.alg: self._decrypting[info.kid] for info in decrypting if info.state == ACTIVE}
            order = {ACTIVE: 0, ANNOUNCED: 1, RETIRING: 2}
            # An encryption key that retires is no longer shown: nobody should begin to use it (OpenID Connect Core 10.2.1).
            shown = signing + [info for info in decrypting if info.state == ACTIVE]
            shown.sort(key=lambda info: (info.alg in ENCRYPTION, order[info.state], info.alg))
            self._jwks = msgspec.json.encode({"keys": [self._jwk(info) for info in shown]})

    def _jwk(self, info: KeyInfo) -> dict[str, str]:
        use = "sig" if info.alg in SIGNING else "enc"
        public = public_jwk(self._private[info.kid].public_key())
        return {**public, "use": use, "alg": info.alg, "kid": info.kid}
