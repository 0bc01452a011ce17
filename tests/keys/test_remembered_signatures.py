"""A signature of ours is verified once and remembered; everything else about a token is checked each time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keys import jose
from keys.errors import InvalidToken
from keys.jwks import VerifyingKey, source
from keys.ring import Ring
from tests.fixtures.house import KEK, START

if TYPE_CHECKING:
    from pathlib import Path

    from keys.jwks import KeySource

ISSUER = "https://regie.example"


@pytest.fixture
def own(tmp_path: Path) -> Ring:
    return Ring.open(tmp_path / "keys", KEK, now=START)


def made(ring: Ring, **claims: Any) -> str:
    at = int(START.timestamp())
    return jose.sign({"iss": ISSUER, "iat": at, "exp": at + 300, **claims}, ring.active(), typ="at+jwt")


def seen(keys: KeySource, token: str, **changes: Any) -> jose.VerifiedClaims:
    asked = {"typ": frozenset({"at+jwt"}), "algorithms": frozenset({"ES256"}), "now": START, "issuer": ISSUER}
    return jose.verify(token, keys=keys, **{**asked, **changes})


def test_a_second_look_says_the_same(own: Ring) -> None:
    token = made(own, jti="one")

    assert dict(seen(own.source, token)) == dict(seen(own.source, token))


@pytest.mark.parametrize(
    "changes",
    [
        {"now": START + timedelta(seconds=311)},
        {"issuer": "https://other.example"},
        {"audience": "https://other.example"},
        {"typ": frozenset({"JWT"})},
        {"algorithms": frozenset({"PS256"})},
    ],
)
def test_all_but_the_signature_is_checked_again(own: Ring, changes: dict[str, Any]) -> None:
    token = made(own)
    seen(own.source, token)

    with pytest.raises(InvalidToken):
        seen(own.source, token, **changes)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_another_token_by_one_character_is_another_token(own: Ring, part: int) -> None:
    token = made(own)
    seen(own.source, token)
    parts = token.split(".")
    parts[part] = parts[part][:10] + ("A" if parts[part][10] != "A" else "B") + parts[part][11:]

    with pytest.raises(InvalidToken):
        seen(own.source, ".".join(parts))


def test_a_key_that_is_revoked_takes_what_it_remembers_along(own: Ring) -> None:
    token = made(own)
    kid = seen(own.source, token).header["kid"]

    own.revoke(kid, START)

    with pytest.raises(InvalidToken):
        seen(own.source, token)


def test_a_refused_signature_is_not_remembered(own: Ring) -> None:
    forged = made(own)[:-8] + "A" * 8

    for _ in range(2):
        with pytest.raises(InvalidToken):
            seen(own.source, forged)


def test_what_is_remembered_is_bounded(own: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jose, "REMEMBERED", 8)
    for number in range(30):
        seen(own.source, made(own, jti=str(number)))

    key = own.find(own.active().kid)

    assert key is not None
    assert key.proven is not None
    assert len(key.proven) <= 8


def test_keys_of_others_remember_nothing(own: Ring) -> None:
    """An assertion or a proof comes once: remembering it would only fill memory."""
    found = own.find(own.active().kid)
    assert found is not None
    key = VerifyingKey.of(found.jwk)

    seen(source([key]), made(own))

    assert key.proven is None
