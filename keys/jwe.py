"""Encrypting and decrypting compact JWE (RFC 7516), which here always holds a signed JWT (RFC 7519 section 5.2).

The closed table of keys.algorithms is all there is: what is not in it is not registered with the library either, so
RSA1_5, PBES2, direct keys and compression do not exist here. A key that was encrypted wrongly is replaced by a random
one, so that every failure ends at the same place, with the same error (RFC 7516 section 11.5).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from joserfc import jwe
from joserfc.errors import DecodeError, JoseError
from joserfc.jwa import (
    JWE_ALG_MODELS,
    JWE_ENC_MODELS,
    AESAlgKeyWrapping,
    ECDHESAlgKeyAgreement,
    JWEKeyEncryption,
)
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter

from keys.algorithms import CONTENT_ENCRYPTION, ENCRYPTION
from keys.errors import InvalidToken, WeakKey
from keys.jose import MAX_TOKEN, json_object
from keys.jwks import EncryptionKey, check
from keys.private import DecryptingKey

KEY_BYTES = 32
"""Of a content encryption key for A256GCM."""

# A nonce of 96 bits and a tag of 128: nothing shorter is decoded.
_COMPACT = re.compile(
    r"[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]{0,1024}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}\Z"
)
_HEADERS = frozenset({"alg", "enc", "kid", "cty", "typ", "epk", "apu", "apv"})
"""Header members that we allow; zip, crit, p2c, jku, jwk and the like are refused before any key is looked up."""
_EPK = {"kty", "crv", "x", "y"}
_NATIVE: dict[str, type[ECKey | RSAKey]] = {"EC": ECKey, "RSA": RSAKey}


DecryptingSource = Callable[[str | None, str], DecryptingKey | None]
"""From an unverified `kid` and `alg` to a key of ours, or None."""


def is_encrypted(unverified_token: str) -> bool:
    """Whether this has the five parts of a JWE, whatever they hold."""
    return unverified_token.count(".") == 4


def encrypt(
    jwt: str, key: EncryptionKey, *, alg: str, enc: str = "A256GCM", typ: str | None = None, iss: str | None = None
) -> str:
    """A nested JWT: the signed `jwt`, encrypted to a client's key that passed `keys.jwks.encryption_keys`.

    `iss`: repeated in the header for whoever must know it before opening (RFC 7519 section 5.3).
    """
    if alg not in key.algorithms or enc not in CONTENT_ENCRYPTION:
        raise WeakKey("the key does not fit the algorithm")
    if key.native is None:
        members = {name: value for name, value in key.jwk.items() if name not in ("alg", "use", "kid", "key_ops")}
        key.native = _NATIVE[key.jwk["kty"]].import_key(members)
    header = {"alg": alg, "enc": enc, "cty": "JWT", **({"kid": key.kid} if key.kid else {})}
    told = {name: value for name, value in (("typ", typ), ("iss", iss)) if value}
    return jwe.encrypt_compact({**header, **told}, jwt, key.native, registry=_CLOSED)


def decrypt(
    unverified_jwe: str, *, keys: DecryptingSource, cty: frozenset[str], typ: frozenset[str | None] = frozenset({None})
) -> str:
    """The JWT inside, which is still unverified, or InvalidToken.

     1. compact form, its characters, the size of each part     (before anything is decoded)
     2. header: closed list of members; `alg`, `enc`, `cty` and `typ` allowed; `epk` a point on P-256
     3. the key, by `kid` and `alg`, from our own
     4. the content key, or in its place a random one; the tag; the content

    RFC 7516 section 5.2; RFC 8725 sections 3.2 to 3.6.
    """
    if len(unverified_jwe) > MAX_TOKEN or not _COMPACT.match(unverified_jwe):
        raise InvalidToken("not a compact JWE of acceptable size")
    header = _header(unverified_jwe, cty, typ)
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 200):
        raise InvalidToken("kid is not a short string")
    key = keys(kid, header["alg"])
    if key is None or key.alg != header["alg"]:
        raise InvalidToken("no key of ours fits")
    if key.native is None:
        key.native = _NATIVE[ENCRYPTION[key.alg].kty].import_key(key.private)  # type: ignore[arg-type]  # of that kty
    try:
        opened = jwe.decrypt_compact(unverified_jwe, key.native, registry=_CLOSED)
        return (opened.plaintext or b"").decode("ascii")
    except (JoseError, ValueError) as error:
        raise InvalidToken("not decryptable") from error


def _header(unverified_jwe: str, cty: frozenset[str], typ: frozenset[str | None]) -> dict[str, Any]:
    header = json_object(unverified_jwe.partition(".")[0])
    if not _HEADERS.issuperset(header):
        raise InvalidToken("a header member that is not accepted")
    alg, enc = header.get("alg"), header.get("enc")
    if not isinstance(alg, str) or alg not in ENCRYPTION or not isinstance(enc, str) or enc not in CONTENT_ENCRYPTION:
        raise InvalidToken("alg or enc is not accepted here")
    if not _is_one_of(header.get("cty"), cty) or not _is_one_of(header.get("typ"), typ):
        raise InvalidToken("cty or typ is not accepted here")
    if ("epk" in header) != (ENCRYPTION[alg].kty == "EC"):
        raise InvalidToken("epk belongs to ECDH-ES")
    if "epk" in header:
        _check_point(header["epk"])
    return header


def _is_one_of(value: object, allowed: frozenset[str] | frozenset[str | None]) -> bool:
    return (value is None or isinstance(value, str)) and value in allowed


def _check_point(epk: object) -> None:
    """A point that is not on the curve would give our private key away, piece by piece (RFC 8725 section 3.4)."""
    try:
        if not isinstance(epk, dict) or set(epk) != _EPK or check(epk).jwk["kty"] != "EC":
            raise InvalidToken("epk")
    except WeakKey as error:
        raise InvalidToken("epk") from error


class _BlindOaep(JWEKeyEncryption):
    """RSA-OAEP that answers a random key where it cannot decrypt one."""

    def __init__(self, model: Any) -> None:
        self.key_types = ["RSA"]
        self.name = model.name
        self.description = model.description
        self._model = model

    def encrypt_cek(self, cek: bytes, recipient: Any) -> bytes:
        encrypted: bytes = self._model.encrypt_cek(cek, recipient)
        return encrypted

    def decrypt_cek(self, recipient: Any) -> bytes:
        instead = secrets.token_bytes(KEY_BYTES)
        try:
            cek: bytes = self._model.decrypt_cek(recipient)
        except DecodeError:
            return instead
        return cek


class _BlindWrapping(AESAlgKeyWrapping):
    """AES key wrap that answers a random key where it cannot unwrap one."""

    def unwrap_cek(self, ek: bytes, key: bytes) -> bytes:
        instead = secrets.token_bytes(KEY_BYTES)
        try:
            return super().unwrap_cek(ek, key)
        except DecodeError:
            return instead


_CLOSED = jwe.JWERegistry(
    algorithms=[*ENCRYPTION, *CONTENT_ENCRYPTION], header_registry={"iss": HeaderParameter("Issuer", "str")}
)
"""The library's registry with our table in it and nothing else."""
_CLOSED.algorithms = {
    "alg": {
        **{one.name: _BlindOaep(one) for one in JWE_ALG_MODELS if one.name in ("RSA-OAEP", "RSA-OAEP-256")},
        "ECDH-ES": ECDHESAlgKeyAgreement(None),
        "ECDH-ES+A256KW": ECDHESAlgKeyAgreement(_BlindWrapping(256)),
    },
    "enc": {one.name: one for one in JWE_ENC_MODELS if one.name in CONTENT_ENCRYPTION},
    "zip": {},
}
