"""Signing and verifying, in one place (RFC 7515, RFC 7519, RFC 8725). With keys.jwe the only importer of joserfc.

Signing is on the hot path: the protected header is prepared, the signature made by `cryptography` directly; that is
40 % of joserfc's cost. Verifying is joserfc's, behind checks of ours that need no key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.digest import b64decode, b64encode
from keys.errors import InvalidToken, WeakKey
from keys.jwks import KeySource, VerifyingKey, check
from keys.private import SigningKey

MAX_TOKEN = 16 * 1024
"""Characters of a token that we read at all."""
MAX_TIME = 10**11
"""Seconds since 1970 that we take for a time at all."""
CLOCKS_S = 10
"""Seconds by which the clock of who signed may be ahead of ours: nothing is gained by refusing what is that new."""

REMEMBERED = 4096
"""Signatures of one key of ours; then all are forgotten."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_HEADERS = frozenset({"alg", "typ", "kid", "cty", "x5t", "x5t#S256"})
"""Header members that we allow; a thumbprint of a certificate is read by nobody, but relying parties send one
(mod_auth_openidc: `x5t`). What points to a key (jku, x5u, jwk, x5c), changes the signed bytes (b64, zip) or
demands understanding (crit) is refused before any key is looked up (RFC 8725 section 3.10)."""
_NATIVE: dict[str, type[ECKey | RSAKey | OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_ENCODER = msgspec.json.Encoder()


class VerifiedClaims(Mapping[str, Any]):
    """Claims of a token whose signature, type, time, issuer and audience were checked. Made only here."""

    __slots__ = ("_claims", "header")

    def __init__(self, claims: dict[str, Any], header: dict[str, Any]) -> None:
        self._claims = claims
        self.header = header

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Any:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)


def sign(claims: Mapping[str, object], key: SigningKey, *, typ: str) -> str:
    """A compact JWS of `claims` (RFC 7515 section 7.1)."""
    signed = key.header(typ) + b64encode(_ENCODER.encode(claims)).encode()
    return f"{signed.decode()}.{b64encode(key.sign(signed))}"


def verify(
    unverified_jwt: str,
    *,
    keys: KeySource,
    typ: frozenset[str | None],
    algorithms: frozenset[str],
    now: datetime,
    issuer: str | None = None,
    audience: str | None = None,
    leeway_s: int = 10,
    exp_required: bool = True,
) -> VerifiedClaims:
    """Believe a token, or InvalidToken.

     1. compact form, its characters, its size             (before anything is decoded)
     2. header: closed list of members, `alg` allowed, `typ` one of `typ` (None: absent)
     3. the key, by `kid` and `alg`, from the caller's own source
     4. the signature
     5. exp, nbf, iat against `now` with `leeway_s` seconds (nbf and iat with `CLOCKS_S` at least); iss equal; aud
        equal or containing

    RFC 8725 sections 3.1 to 3.12; RFC 7519 section 7.2.
    """
    header, key = _key_for(unverified_jwt, keys, typ, algorithms)
    claims = _check_signature(unverified_jwt, header["alg"], key)
    _check_claims(claims, issuer, audience, now.timestamp(), leeway_s, exp_required=exp_required)
    return VerifiedClaims(claims, header)


def verify_with_own_key(
    unverified_jwt: str, *, typ: str, algorithms: frozenset[str], now: datetime
) -> tuple[VerifiedClaims, Mapping[str, Any]]:
    """A token that carries its own public key: DPoP proofs alone (RFC 9449 section 4.2). Answers claims and key.

    What it proves is possession of that key and nothing else. `exp` is not expected.
    """
    header = _header(unverified_jwt, _HEADERS | {"jwk"}, frozenset({typ}), algorithms)
    try:
        key = check(header.get("jwk"))
    except WeakKey as error:
        raise InvalidToken(str(error)) from error
    if header["alg"] not in key.algorithms:
        raise InvalidToken("alg does not fit the key")
    claims = _check_signature(unverified_jwt, header["alg"], key)
    _check_claims(claims, None, None, now.timestamp(), 10, exp_required=False)
    return VerifiedClaims(claims, header), key.jwk


def unverified_claims(unverified_jwt: str) -> Mapping[str, Any]:
    """What a token says of itself, believed by nobody: to find out whose keys should verify it."""
    if len(unverified_jwt) > MAX_TOKEN or not _COMPACT.match(unverified_jwt):
        raise InvalidToken("not a compact JWS")
    return json_object(unverified_jwt.split(".")[1])


def json_object(segment: str) -> dict[str, Any]:
    """What a base64url segment holds. InvalidToken when it is no JSON object."""
    try:
        return _object(b64decode(segment))
    except ValueError as error:
        raise InvalidToken("not base64url") from error


def unverified_kid(unverified_jwt: str) -> str | None:
    """The key that a token says it was signed with, believed by nobody."""
    if len(unverified_jwt) > MAX_TOKEN or not _COMPACT.match(unverified_jwt):
        raise InvalidToken("not a compact JWS")
    kid = json_object(unverified_jwt.partition(".")[0]).get("kid")
    return kid if isinstance(kid, str) else None


def _key_for(
    unverified_jwt: str, keys: KeySource, typ: frozenset[str | None], algorithms: frozenset[str]
) -> tuple[dict[str, Any], VerifyingKey]:
    header = _header(unverified_jwt, _HEADERS, typ, algorithms)
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 200):
        raise InvalidToken("kid is not a short string")
    key = keys(kid, header["alg"])
    if key is None or header["alg"] not in key.algorithms:
        raise InvalidToken("no key of ours or the client's fits")
    return header, key


def _header(
    unverified_jwt: str, members: frozenset[str], typ: frozenset[str | None], algorithms: frozenset[str]
) -> dict[str, Any]:
    if len(unverified_jwt) > MAX_TOKEN or not _COMPACT.match(unverified_jwt):
        raise InvalidToken("not a compact JWS of acceptable size")
    header = json_object(unverified_jwt.partition(".")[0])
    if not members.issuperset(header):
        raise InvalidToken("a header member that is not accepted")
    if not isinstance(header.get("alg"), str) or header["alg"] not in algorithms:
        raise InvalidToken("alg is not accepted here")
    if not isinstance(header.get("typ"), str | None) or header.get("typ") not in typ:
        raise InvalidToken("typ is not accepted here")
    return header


class _Registry(jws.JWSRegistry):
    """Room for an RSA key in the header of a DPoP proof, where the library's own bound is 512 bytes."""

    max_header_length = 4096


@lru_cache
def _registry(alg: str) -> jws.JWSRegistry:
    """The one algorithm that was agreed on. `alg`: from the closed table."""
    return _Registry(algorithms=[alg])


def _check_signature(unverified_jwt: str, alg: str, key: VerifyingKey) -> dict[str, Any]:
    """The claims. A token of ours is shown many times: its signature is verified once (110 µs), then remembered."""
    if key.proven is None:
        return _verify_signature(unverified_jwt, alg, key)
    # By all of it, header and signature included: another token by one character is another token.
    name = sha256(unverified_jwt.encode()).digest()
    claims = key.proven.get(name)
    if claims is None:
        claims = _verify_signature(unverified_jwt, alg, key)
        if len(key.proven) >= REMEMBERED:
            key.proven.clear()
        key.proven[name] = claims
    return claims


def _verify_signature(unverified_jwt: str, alg: str, key: VerifyingKey) -> dict[str, Any]:
    if key.native is None:
        members = {name: value for name, value in key.jwk.items() if name not in ("alg", "use", "kid", "key_ops")}
        try:
            key.native = _NATIVE[key.jwk["kty"]].import_key(members)
        except (JoseError, ValueError) as error:
            raise InvalidToken("unusable key") from error
    try:
        verified = jws.deserialize_compact(unverified_jwt, key.native, registry=_registry(alg))
    except (JoseError, ValueError) as error:
        raise InvalidToken("signature") from error
    return _object(verified.payload)


def _check_claims(
    claims: dict[str, Any], issuer: str | None, audience: str | None, at: float, leeway_s: int, *, exp_required: bool
) -> None:
    exp, nbf, iat = (claims.get(name) for name in ("exp", "nbf", "iat"))
    for value in (exp, nbf, iat):
        # Bounded, since arithmetic with a number of a thousand digits raises.
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MAX_TIME
        if value is not None and not numeric:
            raise InvalidToken("a time that is no number of seconds")
    if exp is None:
        if exp_required:
            raise InvalidToken("exp is missing")
    elif at >= exp + leeway_s:
        raise InvalidToken("expired")
    begun = at + max(leeway_s, CLOCKS_S)
    if (nbf is not None and nbf > begun) or (iat is not None and iat > begun):
        raise InvalidToken("not yet valid")
    if issuer is not None and claims.get("iss") != issuer:
        raise InvalidToken("another issuer")
    if audience is not None:
        aud = claims.get("aud")
        if aud != audience and not (isinstance(aud, list) and audience in aud):
            raise InvalidToken("another audience")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidToken("not JSON") from error
    if not isinstance(decoded, dict):
        raise InvalidToken("not a JSON object")
    return decoded
