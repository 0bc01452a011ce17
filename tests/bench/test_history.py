"""The checker of bench/linearizability finds what it is there to find, and nothing else."""

from __future__ import annotations

import random

import pytest

from bench.history import CHECK, CLOSED, GIVE, PERMIT, REDEEM, WITHDRAW, Call, contradictions

GIVEN = Call(GIVE, 1, 1, 2, "acknowledged")
ENDED = Call(WITHDRAW, 1, 5, 6, "acknowledged")


@pytest.mark.parametrize(
    ("calls", "finds"),
    [
        ([GIVEN, Call(PERMIT, 1, 3, 4, "allowed")], ""),
        ([GIVEN, ENDED, Call(PERMIT, 1, 3, 9, "allowed")], ""),
        ([GIVEN, ENDED, Call(PERMIT, 1, 5.5, 9, "allowed")], ""),
        ([GIVEN, ENDED, Call(PERMIT, 1, 6.1, 9, "allowed")], "stale yes"),
        ([GIVEN, ENDED, Call(CHECK, 1, 7, 8, "allowed")], "stale yes"),
        # A citizen's consent is nobody else's.
        ([GIVEN, ENDED, Call(GIVE, 2, 6.5, 7, "acknowledged"), Call(CHECK, 1, 7, 8, "allowed")], "stale yes"),
        ([GIVEN, ENDED, Call(GIVE, 1, 7, 9, "acknowledged"), Call(CHECK, 1, 7.5, 8, "allowed")], ""),
        # What was cut off may have taken effect.
        ([GIVEN, ENDED, Call(GIVE, 1, 7, 9, ""), Call(CHECK, 1, 10, 11, "allowed")], ""),
        ([GIVEN, Call(WITHDRAW, 1, 5, 6, ""), Call(CHECK, 1, 7, 8, "allowed")], ""),
        ([GIVEN, Call(WITHDRAW, 1, 5, 6, ""), Call(CHECK, 1, 7, 8, "withdrawn")], ""),
        ([Call(CHECK, 1, 0, 0.5, "allowed"), GIVEN], "yes without"),
        ([Call(CHECK, 1, 0, 0.5, "no_consent"), GIVEN], ""),
        ([GIVEN, Call(CHECK, 1, 3, 4, "no_consent")], "stale no"),
        ([GIVEN, Call(CHECK, 1, 3, 4, CLOSED)], ""),
        ([GIVEN, Call(CHECK, 1, 1.5, 4, "no_consent")], ""),
        ([GIVEN, ENDED, Call(CHECK, 1, 4, 5.5, "withdrawn")], ""),
        ([Call(REDEEM, 1, 1, 2, "allowed", "p"), Call(REDEEM, 1, 1, 2, "redeemed", "p")], ""),
        ([Call(REDEEM, 1, 1, 2, "allowed", "p"), Call(REDEEM, 1, 3, 4, "allowed", "p")], "taken 2 times"),
    ],
)
def test_it_finds_what_contradicts(calls: list[Call], finds: str) -> None:
    random.shuffle(calls)

    found = list(contradictions(calls))

    assert (bool(found), finds in "".join(found)) == (bool(finds), True)
