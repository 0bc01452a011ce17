"""Attacks on tokens, T-01 to T-07: each refused before or at the signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from keys import jose
from keys.digest import b64encode
from keys.errors import InvalidToken, WeakKey
from keys.jwks import check_set
from keys.ring import Ring

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CLAIMS = {"iss": "i", "aud": "a", "exp": int(NOW.timestamp()) + 300, "iat": int(NOW.timestamp())}
ALL = frozenset({"ES256", "PS256", "RS256"})


def verify(ring: Ring, token: str) -> Any:
    return jose.verify(
        token, keys=ring.source, typ=frozenset({"at+jwt"}), algorithms=ALL, now=NOW, issuer="i", audience="a"
    )


def forged(header: dict[str, Any], signature: bytes = b"x", claims: dict[str, Any] | None = None) -> str:
    head, body = (b64encode(json.dumps(part).encode()) for part in (header, claims or CLAIMS))
    return f"{head}.{body}.{b64encode(signature)}"


def test_a_good_token_is_accepted(ring: Ring) -> None:
    assert verify(ring, jose.sign(CLAIMS, ring.active(), typ="at+jwt"))["iss"] == "i"


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b'{"jti":"\xff"}', b"[]", b'{"a":' + b"[" * 3_000, b'{"jti":"\\ud800"}']
)
def test_what_is_signed_and_no_json_object_is_refused_and_raises_nothing_else(ring: Ring, payload: bytes) -> None:
    key = ring.active()
    signed = key.header("at+jwt") + b64encode(payload).encode()

    with pytest.raises(InvalidToken):
        verify(ring, f"{signed.decode()}.{b64encode(key.sign(signed))}")


@pytest.mark.parametrize(("ahead_s", "is_refused"), [(10, False), (11, True)])
@pytest.mark.parametrize("member", ["iat", "nbf"])
def test_who_signed_on_a_clock_that_is_a_little_ahead_is_believed_however_strict_the_end_is(
    ring: Ring, member: str, ahead_s: int, is_refused: bool
) -> None:
    token = jose.sign({**CLAIMS, member: int(NOW.timestamp()) + ahead_s}, ring.active(), typ="at+jwt")
    asked = {"keys": ring.source, "typ": frozenset({"at+jwt"}), "algorithms": ALL, "now": NOW, "leeway_s": 0}

    with pytest.raises(InvalidToken, match="not yet valid") if is_refused else nullcontext():
        jose.verify(token, **asked)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "ES512", "es256"])
def test_t01_no_algorithm_but_those_of_the_table(ring: Ring, alg: str) -> None:
    with pytest.raises(InvalidToken):
        verify(ring, forged({"alg": alg, "typ": "at+jwt", "kid": ring.active().kid}, b""))


def test_t02_our_public_key_is_no_hmac_secret(ring: Ring) -> None:
    for secret in (ring.jwks(), json.dumps(json.loads(ring.jwks())["keys"][0]).encode()):
        token = forged({"alg": "HS256", "typ": "at+jwt", "kid": ring.active().kid})
        signed = token.rpartition(".")[0]
        mac = b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256))
        with pytest.raises(InvalidToken):
            verify(ring, f"{signed}.{mac}")


def test_t03_the_algorithm_is_the_keys_own(ring: Ring) -> None:
    with pytest.raises(InvalidToken):
        verify(ring, forged({"alg": "RS256", "typ": "at+jwt", "kid": ring.active("PS256").kid}))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_t04_a_huge_segment_is_refused_unread(ring: Ring, part: int) -> None:
    parts = jose.sign(CLAIMS, ring.active(), typ="at+jwt").split(".")
    parts[part] = "A" * 10_000_000

    with pytest.raises(InvalidToken):
        verify(ring, ".".join(parts))


@pytest.mark.parametrize(
    "member",
    [
        {"b64": False},
        {"crit": ["exp"]},
        {"zip": "DEF"},
        {"jku": "http://x"},
        {"x5u": "http://x"},
        {"jwk": {}},
        {"p2c": 2**31},
    ],
)
def test_t05_t06_t07_t10_header_members_that_change_the_rules(ring: Ring, member: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verify(ring, forged({"alg": "ES256", "typ": "at+jwt", "kid": ring.active().kid, **member}))


@pytest.mark.parametrize("member", [{"typ": []}, {"typ": {}}, {"alg": ["ES256"]}, {"kid": {}}, {"typ": 1}], ids=str)
def test_a_header_member_of_another_type_is_refused_and_raises_nothing_else(ring: Ring, member: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verify(ring, forged({"alg": "ES256", "typ": "at+jwt", "kid": ring.active().kid, **member}))


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "dpop+jwt", "permit+jwt", "receipt+jwt"])
def test_k05_one_kind_of_token_is_not_another(ring: Ring, typ: str) -> None:
    with pytest.raises(InvalidToken):
        verify(ring, jose.sign(CLAIMS, ring.active(), typ=typ))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**400},
        {"iat": -(10**400)},
        {"nbf": -1},
        {"nbf": True},
        {"iat": int(NOW.timestamp()) + 61},
        {"nbf": int(NOW.timestamp()) + 61},
        {"aud": "b"},
        {"aud": ["b"]},
        {"iss": "j"},
    ],
)
def test_claims_that_do_not_hold_are_refused(ring: Ring, changes: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}

    with pytest.raises(InvalidToken):
        verify(ring, jose.sign(claims, ring.active(), typ="at+jwt"))


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"},
        {"kty": "RSA", "e": "AQAB", "n": "qw"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "EC"},
        "key",
    ],
)
def test_t11_weak_private_and_off_curve_keys_are_not_registered(key: Any) -> None:
    with pytest.raises(WeakKey):
        check_set({"keys": [key]})
