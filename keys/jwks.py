"""JSON Web Keys: what we publish, and what of a client's we accept (RFC 7517, RFC 7638)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keys import weak
from keys.algorithms import CLIENT_SIGNING, KEY_MANAGEMENT
from keys.certified import check_certificates
from keys.digest import b64decode, b64encode, digest
from keys.errors import WeakKey

Jwk = Mapping[str, Any]
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

SIG, ENC = "sig", "enc"
MAX_KEYS = 20
MAX_KID = 200
RSA_MIN_BITS = 2048
RSA_MAX_BITS = 8192
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_REQUIRED = {"EC": ("crv", "x", "y"), "RSA": ("e", "n"), "OKP": ("crv", "x")}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1()}
_ALGORITHMS: dict[str, dict[str, tuple[str, ...]]] = {
    "EC": {"P-256": ("ES256",)},
    "OKP": {"Ed25519": ("EdDSA", "Ed25519")},
}
_ENCRYPTION: dict[str, tuple[str, ...]] = {"RSA": ("RSA-OAEP", "RSA-OAEP-256"), "EC": ("ECDH-ES", "ECDH-ES+A256KW")}
_KEY_OPS = {SIG: frozenset({"verify"}), ENC: frozenset({"encrypt", "wrapKey", "deriveKey", "deriveBits"})}


@dataclass(slots=True)
class VerifyingKey:
    """A public key that passed `check`. `algorithms`: what it may verify, exactly."""

    kid: str | None
    algorithms: frozenset[str]
    jwk: Jwk
    native: Any = field(default=None, repr=False)
    """The library's key object, made at first use by keys.jose."""
    proven: dict[bytes, dict[str, Any]] | None = field(default=None, repr=False)
    """Claims by SHA-256 of tokens whose signature this key has verified; None for keys that remember nothing.

    That a signature fits is true for ever, and is forgotten with the key; all else is checked each time.
    """

    @classmethod
    def of(cls, jwk: Jwk) -> VerifyingKey:
        return cls(jwk.get("kid"), algorithms_of(jwk), jwk)


@dataclass(slots=True)
class EncryptionKey:
    """A client's public key with use "enc" that passed `encryption_keys`. `algorithms`: key management, exactly."""

    kid: str | None
    algorithms: frozenset[str]
    jwk: Jwk
    native: Any = field(default=None, repr=False)
    """As in VerifyingKey."""


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
    return _verifying_key(_public(jwk))


def check_set(jwks: object) -> list[VerifyingKey]:
    """Accept a client's JWK Set, or WeakKey with the rule that it breaks; answers its signature keys.

    At most 20 keys, no `kid` twice, no key twice, no private or symmetric member, RSA of 2048 to 8192 bits with
    exponent 65537, P-256 or Ed25519 (FAPI 2.0 Security Profile section 5.4). A key without `use` is for signatures.
    """
    return _both(jwks)[0]


def encryption_keys(jwks: object) -> list[EncryptionKey]:
    """The keys of a client's set that say `use` "enc" (RFC 7517 section 4.2), or WeakKey as `check_set`.

    RSA for RSA-OAEP, P-256 for ECDH-ES.
    """
    return _both(jwks)[1]


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


def _both(jwks: object) -> tuple[list[VerifyingKey], list[EncryptionKey]]:
    members = _members(jwks)
    return (
        [_verifying_key(one) for one in members if one.get("use", SIG) == SIG],
        [_encryption_key(one) for one in members if one.get("use") == ENC],
    )


def _members(jwks: object) -> list[Jwk]:
    """What holds for a set as a whole, whatever its keys are for."""
    found = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(found, Sequence) or isinstance(found, str) or not found:
        raise WeakKey('a key set is an object with a member "keys", a list of at least one key')
    if len(found) > MAX_KEYS:
        raise WeakKey(f"a key set holds at most {MAX_KEYS} keys")
    keys = [_public(one) for one in found]
    kids = [key["kid"] for key in keys if key.get("kid") is not None]
    if len(kids) != len(set(kids)) or (len(keys) > 1 and len(kids) != len(keys)):
        raise WeakKey("each key of a set needs a kid of its own")
    if len({thumbprint(key) for key in keys}) != len(keys):
        # Also one key for signatures and for encryption: what opens one must not forge the other.
        raise WeakKey("the same key stands in the set twice")
    if weak.share_a_prime([_unsigned_of(key["n"]) for key in keys if key["kty"] == "RSA"]):
        raise WeakKey("two RSA keys share a prime: replace both")
    return keys


def _public(jwk: object) -> Jwk:
    """What holds for every public key."""
    if not isinstance(jwk, Mapping):
        raise WeakKey("each key must be a JSON object")
    kty = jwk.get("kty")
    if kty == "oct" or not isinstance(kty, str) or kty not in _REQUIRED:
        raise WeakKey("kty must be EC, RSA or OKP")
    if _PRIVATE & set(jwk):
        raise WeakKey("a key set holds public keys only; this one has private members: replace that key")
    if not all(isinstance(jwk.get(name), str) for name in _REQUIRED[kty]):
        raise WeakKey(f"a {kty} key needs the members {', '.join(_REQUIRED[kty])}")
    for name in ("kid", "alg", "use"):
        if name in jwk and not (isinstance(jwk[name], str) and 0 < len(jwk[name]) <= MAX_KID):
            raise WeakKey(f"{name} must be a string of 1 to {MAX_KID} characters")
    if jwk.get("use", SIG) not in _KEY_OPS:
        raise WeakKey('use must be "sig" or "enc"')
    operations = jwk.get("key_ops", [])
    if not isinstance(operations, Sequence) or not {*map(str, operations)} <= _KEY_OPS[jwk.get("use", SIG)]:
        raise WeakKey("key_ops must fit use, and be what a public key does")
    try:
        check_certificates(jwk, _numbers(kty, jwk))
    except (ValueError, TypeError) as error:
        raise WeakKey(f"the {kty} key's numbers make no valid key") from error
    return jwk


def _verifying_key(jwk: Jwk) -> VerifyingKey:
    if jwk.get("use", SIG) != SIG:
        raise WeakKey('use must be "sig"')
    key = VerifyingKey.of(jwk)
    if not key.algorithms:
        raise WeakKey("alg must be one of ES256, PS256, RS256 and EdDSA, and fit the key")
    return key


def _encryption_key(jwk: Jwk) -> EncryptionKey:
    possible = frozenset(_ENCRYPTION.get(jwk["kty"], ())) & KEY_MANAGEMENT
    algorithms = possible & {jwk["alg"]} if "alg" in jwk else possible
    if not algorithms:
        raise WeakKey(f"the alg of an encryption key must be one of {', '.join(sorted(KEY_MANAGEMENT))}, and fit it")
    return EncryptionKey(jwk.get("kid"), algorithms, jwk)


def _numbers(kty: str, jwk: Jwk) -> PublicKey:
    """Build the key, which checks that a point lies on its curve; ValueError when it does not."""
    if kty == "RSA":
        n, e = _unsigned_of(jwk["n"]), _unsigned_of(jwk["e"])
        if not RSA_MIN_BITS <= n.bit_length() <= RSA_MAX_BITS or e != 65537:
            raise WeakKey("an RSA key needs 2048 to 8192 bits and the exponent 65537")
        if weak.is_easily_factored(n):
            raise WeakKey("this RSA key was made by a generator that is known to be broken: replace it")
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kty == "EC" and jwk["crv"] in _CURVES:
        x, y = _unsigned_of(jwk["x"]), _unsigned_of(jwk["y"])
        return ec.EllipticCurvePublicNumbers(x, y, _CURVES[jwk["crv"]]).public_key()
    if kty == "OKP" and jwk["crv"] == "Ed25519":
        point = b64decode(jwk["x"])
        if weak.has_small_order(point):
            raise WeakKey("this Ed25519 key is nobody's: replace it")
        return ed25519.Ed25519PublicKey.from_public_bytes(point)
    raise WeakKey("crv must be P-256 for EC and Ed25519 for OKP")


def _unsigned(value: int) -> str:
    return b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _unsigned_of(text: str) -> int:
    return int.from_bytes(b64decode(text), "big")
