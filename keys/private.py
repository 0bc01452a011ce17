"""Our private keys in use. Never shown, never logged; made by the ring alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from keys.algorithms import SIGNING, PrivateKey
from keys.digest import b64encode


class SigningKey:
    """A private key with its JOSE headers prepared."""

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


@dataclass(slots=True)
class DecryptingKey:
    """A private key for one algorithm of key management. `native`: as in keys.jwks.VerifyingKey."""

    kid: str
    alg: str
    private: PrivateKey = field(repr=False)
    native: Any = field(default=None, repr=False)
