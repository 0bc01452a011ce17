"""The closed table of algorithms, which is also the inventory of our cryptography.

Nothing outside this table is ever accepted; `none`, HMAC signatures, RSA1_5 and PBES2 are absent by design
(RFC 8725, FAPI 2.0 Security Profile section 5.4, NL GOV Assurance profile for OpenID Connect).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 3072
"""Size of RSA keys that we make; from clients 2048 is accepted."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    name: str
    kty: str
    generate: Callable[[], PrivateKey]
    sign: Callable[[PrivateKey, bytes], bytes]
    why: str


def _ecdsa() -> ec.ECDSA:
    """Deterministic (RFC 6979): a nonce that comes twice, after a copied machine say, gives the key away.

    Also, two workers sign the same document alike. OpenSSL below 3.2 cannot.
    """
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(hashes.SHA256())


_ES256 = _ecdsa()
_SHA256 = hashes.SHA256()
_PSS = padding.PSS(padding.MGF1(_SHA256), 32)
_PKCS1 = padding.PKCS1v15()


def _es256(key: PrivateKey, data: bytes) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(data, _ES256))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _ps256(key: PrivateKey, data: bytes) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.sign(data, _PSS, _SHA256)


def _rs256(key: PrivateKey, data: bytes) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.sign(data, _PKCS1, _SHA256)


def _eddsa(key: PrivateKey, data: bytes) -> bytes:
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(data)


def _ec_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _rsa_key() -> PrivateKey:
    return rsa.generate_private_key(65537, RSA_BITS)


SIGNING: dict[str, Algorithm] = {
    one.name: one
    for one in (
        Algorithm("ES256", "EC", _ec_key, _es256, "default: small and cheap to sign (RFC 7518 section 3.4)"),
        Algorithm("PS256", "RSA", _rsa_key, _ps256, "preferred by the Dutch profile (RFC 7518 section 3.5)"),
        Algorithm("RS256", "RSA", _rsa_key, _rs256, "mandatory in the Dutch profile (RFC 7518 section 3.3)"),
        Algorithm("EdDSA", "OKP", ed25519.Ed25519PrivateKey.generate, _eddsa, "FAPI 2.0 (RFC 8037)"),
    )
}

CLIENT_SIGNING = frozenset({"ES256", "PS256", "EdDSA", "Ed25519", "RS256"})
"""What a client's signature may use at all; its security profile narrows this."""


@dataclass(frozen=True, slots=True)
class KeyManagement:
    """How the key of an encrypted token is brought over (RFC 7518 section 4)."""

    name: str
    kty: str
    generate: Callable[[], PrivateKey]
    why: str


ENCRYPTION: dict[str, KeyManagement] = {
    one.name: one
    for one in (
        KeyManagement("RSA-OAEP", "RSA", _rsa_key, "mandatory in the Dutch profile (RFC 7518 section 4.3)"),
        KeyManagement("RSA-OAEP-256", "RSA", _rsa_key, "the same with SHA-256 (RFC 7518 section 4.3)"),
        KeyManagement("ECDH-ES", "EC", _ec_key, "default: small and cheap, on P-256 (RFC 7518 section 4.6)"),
        KeyManagement("ECDH-ES+A256KW", "EC", _ec_key, "the same with a wrapped key (RFC 7518 section 4.6)"),
    )
}
KEY_MANAGEMENT = frozenset(ENCRYPTION)
"""`alg` of encryption to a client or to us: no RSA1_5, no PBES2, no direct key (RFC 8725 section 3.2)."""
CONTENT_ENCRYPTION = frozenset({"A256GCM"})
"""`enc` of the same (NL GOV Assurance profile for OpenID Connect: nothing weaker)."""

OTHER = {
    "sealing": "AES-256-GCM, 96-bit random nonce, a data key per citizen",
    "pseudonyms": "HMAC-SHA-256 under keys from HKDF-SHA-256 (RFC 5869)",
    "secrets at rest": "SHA-256 of at least 128 random bits",
    "passwords": "argon2id, 19 MiB, 2 passes, 1 lane (RFC 9106)",
}
"""The rest of the inventory."""
