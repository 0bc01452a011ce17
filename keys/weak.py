"""Keys whose numbers are proper and yet no secret: what is cheap to find out about a stranger's key."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SMALL = tuple(p for p in range(2, 1_000) if all(p % q for q in range(2, math.isqrt(p) + 1)))
_PRODUCT = math.prod(_SMALL)
_ROCA = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
"""Primes modulo which the numbers of a broken generator are powers of 65537, and others mostly are not."""
_POWERS = {p: frozenset(pow(65537, exponent, p) for exponent in range(p - 1)) for p in _ROCA}
_FERMAT_STEPS = 100
_FIELD = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _FIELD, _FIELD + 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y of every point of Ed25519 of order 1, 2, 4 or 8, also as they are spelled above the field."""


def is_easily_factored(n: int) -> bool:
    """Whether a modulus of a public key can be factored by what everybody knows: a small factor, ROCA, near primes."""
    return math.gcd(n, _PRODUCT) != 1 or _is_roca(n) or _has_near_primes(n)


def share_a_prime(moduli: Sequence[int]) -> bool:
    """Whether two moduli, made with too little randomness, have a factor in common."""
    return any(math.gcd(a, b) != 1 for i, a in enumerate(moduli) for b in moduli[:i])


def has_small_order(point: bytes) -> bool:
    """Whether an Ed25519 public key is one by which signatures of nobody verify (RFC 8032 section 5.1.3)."""
    return int.from_bytes(point, "little") & (2**255 - 1) in _SMALL_ORDER


def _is_roca(n: int) -> bool:
    """CVE-2017-15361. A sound key passes for broken once in 2^27 times or less."""
    return all(n % p in _POWERS[p] for p in _ROCA)


def _has_near_primes(n: int) -> bool:
    """CVE-2022-26320: two primes close together are found by Fermat's method in a few steps."""
    a = math.isqrt(n - 1) + 1
    for step in range(_FERMAT_STEPS):
        rest = (a + step) ** 2 - n
        if math.isqrt(rest) ** 2 == rest:
            return True
    return False
