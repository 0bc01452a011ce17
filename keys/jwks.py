"""JSON Web Keys: what we publish, and what of a client's we accept (RFC 7517, RFC 7638)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keys.algorithms import CLIENT_SIGNING
from keys.digest import b64decode, b64encode, digest
from keys.errors import WeakKey

Jwk = Mapping[str, Any]
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MAX_KEYS = 20
RSA_MIN_BITS = 2048
RSA_MAX_BITS = 8192
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_REQUIRED = {"EC": ("crv", "x", "y"), "RSA": ("e", "n"), "OKP": ("crv", "x")}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1()}
_ALGORITHMS: dict[str, dict[str, tuple[str, ...]]] = {
    "EC": {"P-256": ("ES256",)},
    "OKP": {"Ed25519": ("EdDSA", "Ed25519")},
}


@dataclass(slots=True)
class VerifyingKey:
    """A public key that passed `check`. `algorithms`: what it may verify, exactly."""

    kid: str | None
    algorithms: frozenset[str]
    jwk: Jwk
    native: Any = field(default=None, repr=False)
    """The library's key object, made at first use by keys.jose."""

    @classmethod
    def of(cls, jwk: Jwk) -> VerifyingKey:
        return cls(jwk.get("kid"), algorithms_of(jwk), jwk)


KeySource = Callable[[str | None, str], VerifyingKey | None]
"""From an unverified `kid` and `alg` to a key, or None. It must not fetch what the token tells it to."""


def algorithms_of(jwk: Jwk) -> frozenset[str]:
    """The algorithms that this key may be used with: its own `alg`, or those of its type."""
    kty = jwk.get("kty")
    possible = ("RS256", "PS256") if kty == "RSA" else _ALGORITHMS.get(str(kty), {}).get(str(jwk.get("crv")), ())
    named = jwk.get("alg")
    return frozenset(possible) & ({named} if named else CLIENT_SIGNING)


def check(jwk: object) -> VerifyingKey:
    """Accept one public signature key, or WeakKey with the rule that it breaks."""
    if not isinstance(jwk, Mapping):
        raise WeakKey("each key must be a JSON object")
    kty = jwk.get("kty")
    if kty == "oct" or not isinstance(kty, str) or kty not in _REQUIRED:
        raise WeakKey("kty must be EC, RSA or OKP")
    if _PRIVATE & set(jwk):
        raise WeakKey("a key set holds public keys only; this one has private members: replace that key")
    if not all(isinstance(jwk.get(name), str) for name in _REQUIRED[kty]):
        raise WeakKey(f"a {kty} key needs the members {', '.join(_REQUIRED[kty])}")
    if jwk.get("use", "sig") != "sig":
        raise WeakKey('use must be "sig"')
    try:
        _numbers(kty, jwk)
    except (ValueError, TypeError) as error:
        raise WeakKey(f"the {kty} key's numbers make no valid key") from error
    key = VerifyingKey.of(jwk)
    if not key.algorithms:
        raise WeakKey("alg must be one of ES256, PS256, RS256 and EdDSA, and fit the key")
    return key


def check_set(jwks: object) -> list[VerifyingKey]:
    """Accept a client's JWK Set, or WeakKey with the rule that it breaks.

    At most 20 keys, no `kid` twice, no key twice, no private or symmetric member, RSA of 2048 to 8192 bits with
    exponent 65537, P-256 or Ed25519 (FAPI 2.0 Security Profile section 5.4).
    """
    found = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(found, Sequence) or isinstance(found, str) or not found:
        raise WeakKey('a key set is an object with a member "keys", a list of at least one key')
    if len(found) > MAX_KEYS:
        raise WeakKey(f"a key set holds at most {MAX_KEYS} keys")
    keys = [check(one) for one in found]
    kids = [key.kid for key in keys if key.kid is not None]
    if len(kids) != len(set(kids)) or (len(keys) > 1 and len(kids) != len(keys)):
        raise WeakKey("each key of a set needs a kid of its own")
    if len({thumbprint(key.jwk) for key in keys}) != len(keys):
        raise WeakKey("the same key stands in the set twice")
    moduli = [int.from_bytes(b64decode(key.jwk["n"]), "big") for key in keys if key.jwk["kty"] == "RSA"]
    if any(math.gcd(a, b) != 1 for i, a in enumerate(moduli) for b in moduli[:i]):
        raise WeakKey("two RSA keys share a prime: replace both")
    return keys


def source(keys: Sequence[VerifyingKey]) -> KeySource:
    """Look a client's keys up by `kid`; without a `kid` only when exactly one key fits the algorithm."""

    def find(kid: str | None, alg: str) -> VerifyingKey | None:
        fitting = [key for key in keys if alg in key.algorithms and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None

    return find


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638: SHA-256 over the required members in order, 43 base64url characters."""
    members = {name: jwk[name] for name in sorted((*_REQUIRED[jwk["kty"]], "kty"))}
    return digest(msgspec.json.encode(members).decode())


def public_jwk(key: Any) -> dict[str, str]:
    """The required members of a public key, from an object of `cryptography`."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.key_size + 7) // 8
        numbers = key.public_numbers()
        x, y = (b64encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": {256: "P-256", 384: "P-384", 521: "P-521"}[key.key_size], "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey):
        n, e = (_unsigned(value) for value in (key.public_numbers().n, key.public_numbers().e))
        return {"kty": "RSA", "n": n, "e": e}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64encode(key.public_bytes_raw())}
    raise WeakKey("not a kind of key that we know")


def _numbers(kty: str, jwk: Jwk) -> PublicKey:
    """Build the key, which checks that a point lies on its curve; ValueError when it does not."""
    if kty == "RSA":
        n, e = (int.from_bytes(b64decode(jwk[name]), "big") for name in ("n", "e"))
        if not RSA_MIN_BITS <= n.bit_length() <= RSA_MAX_BITS or e != 65537 or n % 2 == 0:
            raise WeakKey("an RSA key needs 2048 to 8192 bits and the exponent 65537")
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kty == "EC" and jwk["crv"] in _CURVES:
        x, y = (int.from_bytes(b64decode(jwk[name]), "big") for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, _CURVES[jwk["crv"]]).public_key()
    if kty == "OKP" and jwk["crv"] == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(b64decode(jwk["x"]))
    raise WeakKey("crv must be P-256 for EC and Ed25519 for OKP")


def _unsigned(value: int) -> str:
    return b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
