"""K-07: what is not accepted in a client's key set, wherever it comes from (FAPI 2.0 Security Profile section 5.4)."""

from __future__ import annotations

import base64
import json
import math
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from idp.clients.registration import InvalidMetadata, register
from keys import weak
from keys.digest import b64encode
from keys.errors import WeakKey
from keys.jwks import check_set, encryption_keys, public_jwk
from tests.fixtures.house import START

if TYPE_CHECKING:
    from collections.abc import Callable

DICE = random.Random(2026)
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
GOOD = {**public_jwk(EC.public_key()), "kid": "g"}


def is_prime(n: int) -> bool:
    """Miller-Rabin; good enough to make a bad key."""
    if n < 4 or n % 2 == 0:
        return n in (2, 3)
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for _ in range(12):
        x = pow(DICE.randrange(2, n - 1), d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(bits: int, of: Callable[[], int] | None = None) -> int:
    of = of or (lambda: DICE.getrandbits(bits) | 3 << (bits - 2) | 1)
    while not is_prime(candidate := of()):
        pass
    return candidate


def rsa_key(n: int, e: int = 65537, **members: Any) -> dict[str, Any]:
    def text(value: int) -> str:
        return b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": text(n), "e": text(e), "kid": "r", **members}


def roca_modulus() -> int:
    """As the broken generator of CVE-2017-15361 made them: p = k·M + 65537^a mod M."""
    product = math.prod([p for p in range(2, 702) if is_prime(p)])
    size = 1024 - product.bit_length()

    def candidate() -> int:
        k = DICE.getrandbits(size) | 1 << (size - 1) | 1 << (size - 2)
        return k * product + pow(65537, DICE.getrandbits(200), product)

    return prime(1024, candidate) * prime(1024, candidate)


def near_modulus() -> int:
    p = prime(1024)
    q = p + 2
    while not is_prime(q):
        q += 2
    return p * q


P, Q, R = prime(1024), prime(1024), prime(1024)

BAD: dict[str, Any] = {
    "no set": GOOD,
    "no list": {"keys": GOOD},
    "text": {"keys": "x"},
    "empty": {"keys": []},
    "no object": {"keys": ["x"]},
    "twenty-one": {"keys": [{**public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": str(n)} for n in range(21)]},
    "a kid twice": {"keys": [GOOD, {**public_jwk(ED.public_key()), "kid": "g"}]},
    "two keys and one kid": {"keys": [GOOD, public_jwk(ED.public_key())]},
    "a key twice": {"keys": [GOOD, {**GOOD, "kid": "h"}]},
    "a key for both uses": {"keys": [GOOD, {**GOOD, "kid": "h", "use": "enc"}]},
    "symmetric": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "o"}]},
    "private EC": {"keys": [{**GOOD, "d": "AAAA"}]},
    "private RSA": {"keys": [rsa_key(P * Q, d="AAAA")]},
    "private primes": {"keys": [rsa_key(P * Q, p="AAAA")]},
    "private enc": {"keys": [{**GOOD, "use": "enc", "d": "AAAA"}]},
    "a symmetric member": {"keys": [{**GOOD, "k": "AAAA"}]},
    "unknown kty": {"keys": [{**GOOD, "kty": "AKP"}]},
    "kty that is no text": {"keys": [{**GOOD, "kty": ["EC"]}]},
    "kid that is no text": {"keys": [{**GOOD, "kid": 5}]},
    "kid without end": {"keys": [{**GOOD, "kid": "x" * 201}]},
    "empty kid": {"keys": [{**GOOD, "kid": ""}]},
    "use that is no use": {"keys": [{**GOOD, "use": "both"}]},
    "use that is no text": {"keys": [{**GOOD, "use": ["sig"]}]},
    "alg of another kty": {"keys": [{**GOOD, "alg": "PS256"}]},
    "alg none": {"keys": [{**GOOD, "alg": "none"}]},
    "alg HS256": {"keys": [{**GOOD, "alg": "HS256"}]},
    "enc with RSA1_5": {"keys": [rsa_key(P * Q, use="enc", alg="RSA1_5")]},
    "enc with PBES2": {"keys": [{**GOOD, "use": "enc", "alg": "PBES2-HS256+A128KW"}]},
    "enc with a signature's alg": {"keys": [{**GOOD, "use": "enc", "alg": "ES256"}]},
    "enc with Ed25519": {"keys": [{**public_jwk(ED.public_key()), "use": "enc"}]},
    "sign among key_ops": {"keys": [{**GOOD, "key_ops": ["sign", "verify"]}]},
    "key_ops of another use": {"keys": [{**GOOD, "key_ops": ["encrypt"]}]},
    "key_ops that is a number": {"keys": [{**GOOD, "key_ops": 5}]},
    "1024 bits": {"keys": [rsa_key(prime(512) * prime(512))]},
    "10,000 bits": {"keys": [rsa_key((1 << 9_999) + 1)]},
    "exponent 3": {"keys": [rsa_key(P * Q, 3)]},
    "exponent 1": {"keys": [rsa_key(P * Q, 1)]},
    "even": {"keys": [rsa_key(P * Q + 1)]},
    "a small factor": {"keys": [rsa_key(P * Q * 997)]},
    "ROCA": {"keys": [rsa_key(roca_modulus())]},
    "near primes": {"keys": [rsa_key(near_modulus())]},
    "a square": {"keys": [rsa_key(P * P)]},
    "a shared prime": {"keys": [rsa_key(P * Q), rsa_key(P * R, kid="s")]},
    "padding": {"keys": [{**GOOD, "x": str(GOOD["x"]) + "="}]},
    "base64, not base64url": {"keys": [{**GOOD, "x": "+/+/"}]},
    "no y": {"keys": [{name: value for name, value in GOOD.items() if name != "y"}]},
    "numbers that are no text": {"keys": [{**GOOD, "x": 5}]},
    "P-384": {"keys": [{**public_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()), "kid": "x"}]},
    "secp256k1": {"keys": [{**GOOD, "crv": "secp256k1"}]},
    "off the curve": {"keys": [{**GOOD, "y": GOOD["x"]}]},
    "the origin": {"keys": [{**GOOD, "x": "AA", "y": "AA"}]},
    "X25519": {"keys": [{"kty": "OKP", "crv": "X25519", "x": b64encode(bytes(31) + b"\x09"), "kid": "x"}]},
    "Ed25519 of 31 bytes": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64encode(bytes(30) + b"\x09"), "kid": "x"}]},
}  # fmt: skip


@pytest.mark.parametrize("jwks", BAD.values(), ids=list(BAD))
def test_a_bad_set_is_refused_and_registers_nobody(jwks: Any) -> None:
    with pytest.raises(WeakKey) as refused:
        check_set(jwks)
    assert 10 < len(str(refused.value)) < 200

    file = {"agency": "a-b", "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt"}
    with pytest.raises(InvalidMetadata, match=r"jwks|client metadata"):
        register(json.dumps({**file, "jwks": jwks}).encode(), "baseline", development=False)


@pytest.mark.parametrize(
    "jwk",
    [
        GOOD,
        {**GOOD, "use": "sig", "alg": "ES256", "key_ops": ["verify"]},
        {**public_jwk(ED.public_key()), "alg": "EdDSA"},
        {**public_jwk(ED.public_key()), "alg": "Ed25519"},
        rsa_key(RSA.public_key().public_numbers().n),
        rsa_key(P * Q, alg="PS256"),
        {**GOOD, "x5u": "https://169.254.169.254/", "x_of_another_world": 1},
    ],
)
def test_a_good_key_is_accepted(jwk: dict[str, Any]) -> None:
    assert len(check_set({"keys": [jwk]})) == 1


def test_keys_for_encryption_are_never_keys_for_signatures() -> None:
    sealing = {**public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": "e", "use": "enc"}
    rsa_sealing = rsa_key(P * Q, use="enc", kid="f", alg="RSA-OAEP-256")
    jwks = {"keys": [GOOD, sealing, rsa_sealing]}

    assert [key.kid for key in check_set(jwks)] == ["g"]
    assert {key.kid: key.algorithms for key in encryption_keys(jwks)} == {
        "e": {"ECDH-ES", "ECDH-ES+A256KW"},
        "f": {"RSA-OAEP-256"},
    }


@pytest.mark.parametrize("y", sorted(weak._SMALL_ORDER))
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed25519_key_of_small_order_is_refused(y: int, sign: int) -> None:
    point = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(WeakKey):
        check_set({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64encode(point)}]})


def test_the_table_of_small_orders_is_right() -> None:
    """Doubling each three times gives the neutral element (RFC 8032 section 5.1.4)."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p

    def doubled(x: int, y: int) -> tuple[int, int]:
        product = d * x * x * y * y % p
        return (
            2 * x * y * pow(1 + product, -1, p) % p,
            (y * y + x * x) * pow(1 - product, -1, p) % p,
        )

    for y in {one % p for one in weak._SMALL_ORDER}:
        square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        x = pow(square, (p + 3) // 8, p)
        x = x if x * x % p == square else x * pow(2, (p - 1) // 4, p) % p
        assert x * x % p == square
        point = (x, y)
        for _ in range(3):
            point = doubled(*point)
        assert point == (0, 1)


def test_a_sound_key_is_not_taken_for_a_broken_one() -> None:
    assert not any(weak.is_easily_factored(prime(512) * prime(512)) for _ in range(20))


class TestCertificatesBesideAKey:
    """RFC 7517 sections 4.7 to 4.9: they must be of that very key."""

    def certificate(self, key: Any) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(START)
            .not_valid_after(START + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )

    def x5c(self, *keys: Any) -> list[str]:
        return [base64.b64encode(self.certificate(key).public_bytes(Encoding.DER)).decode() for key in keys]

    def test_its_own_certificate_and_thumbprints_are_accepted(self) -> None:
        der = base64.b64decode(self.x5c(RSA)[0])
        certificate = x509.load_der_x509_certificate(der)
        key = {**public_jwk(RSA.public_key()), "x5c": [base64.b64encode(der).decode()]}
        key["x5t#S256"] = b64encode(certificate.fingerprint(hashes.SHA256()))
        key["x5t"] = b64encode(certificate.fingerprint(hashes.SHA1()))

        assert check_set({"keys": [key]})

    def test_a_chain_is_accepted(self) -> None:
        assert check_set({"keys": [{**public_jwk(RSA.public_key()), "x5c": self.x5c(RSA, EC)}]})

    @pytest.mark.parametrize("name", ["x5t#S256", "x5t"])
    def test_a_thumbprint_of_another_is_refused(self, name: str) -> None:
        other = b64encode(self.certificate(EC).fingerprint(hashes.SHA256()))

        with pytest.raises(WeakKey, match="thumbprint"):
            check_set({"keys": [{**public_jwk(RSA.public_key()), "x5c": self.x5c(RSA), name: other}]})

    @pytest.mark.parametrize(
        "x5c",
        [[], "x", [5], ["AAAA"], ["-_-_"], ["x" * 9_000], 5, None, [""], ["A"] * 7],
        ids=lambda one: str(one)[:12],
    )
    def test_what_is_no_chain_is_refused(self, x5c: Any) -> None:
        with pytest.raises(WeakKey):
            check_set({"keys": [{**public_jwk(RSA.public_key()), "x5c": x5c}]})

    def test_another_keys_certificate_is_refused(self) -> None:
        for x5c in (self.x5c(EC), self.x5c(EC, RSA)):
            with pytest.raises(WeakKey, match="another key"):
                check_set({"keys": [{**public_jwk(RSA.public_key()), "x5c": x5c}]})
