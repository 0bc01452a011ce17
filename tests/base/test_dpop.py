"""DPoP nonces: stateless, the same on every worker, good for a while (RFC 9449 sections 8 and 9)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from base.dpop import WINDOW_S, Nonces, UseNonce
from keys.ring import Ring
from tests.fixtures.house import KEK, START


@pytest.fixture
def nonces(ring: Ring) -> Nonces:
    return Nonces(ring.pseudonyms.mac, required=True)


def test_another_worker_knows_it(nonces: Nonces, ring_directory: Path) -> None:
    other = Nonces(Ring.open(ring_directory, KEK, now=START).pseudonyms.mac, required=True)

    other.check(nonces.fresh(START), START)


@pytest.mark.parametrize("after_s", [0, WINDOW_S - 1, WINDOW_S])
def test_it_is_good_for_a_window_at_least(nonces: Nonces, after_s: int) -> None:
    nonces.check(nonces.fresh(START), START + timedelta(seconds=after_s))


@pytest.mark.parametrize("after_s", [-2 * WINDOW_S, 2 * WINDOW_S, 24 * 3600])
def test_and_for_two_at_most_and_not_before(nonces: Nonces, after_s: int) -> None:
    with pytest.raises(UseNonce):
        nonces.check(nonces.fresh(START), START + timedelta(seconds=after_s))


def test_another_house_has_others(nonces: Nonces, tmp_path: Path) -> None:
    other = Nonces(Ring.open(tmp_path / "keys", KEK, now=START).pseudonyms.mac, required=True)

    with pytest.raises(UseNonce) as refused:
        other.check(nonces.fresh(START), START)

    other.check(refused.value.nonce, START)


@pytest.mark.parametrize("nonce", ["", "x", 5, None, "é" * 43, ["x"]])
def test_what_is_no_nonce_of_ours_is_refused_with_one_that_is(nonces: Nonces, nonce: object) -> None:
    with pytest.raises(UseNonce) as refused:
        nonces.check(nonce, START)

    assert refused.value.nonce == nonces.fresh(START)


def test_where_none_is_required_one_that_is_given_must_be_good(ring: Ring) -> None:
    nonces = Nonces(ring.pseudonyms.mac, required=False)

    nonces.check(None, START)
    nonces.check(nonces.fresh(START), START)
    with pytest.raises(UseNonce):
        nonces.check("x", START)


def test_the_memory_is_bounded(nonces: Nonces) -> None:
    for number in range(50):
        nonces.fresh(START + timedelta(seconds=number * WINDOW_S))

    assert len(nonces._kept) <= 3
