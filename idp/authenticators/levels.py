"""What each way of logging in is worth, in the levels of base.assurance.

What is delivered is the lowest of three: the authenticator, how well the identity was proven, and the login in which
the authenticator was added. A stolen password that adds a passkey has added a passkey of level low.
"""

from collections.abc import Iterable

from base.assurance import HIGH, LEVELS, LOW, SUBSTANTIAL, at_least

__all__ = ["HIGH", "LEVELS", "LOW", "SUBSTANTIAL", "at_least", "delivered", "first_met", "lowest"]

PROOFING = {"low": LOW, "substantial": SUBSTANTIAL, "high": HIGH}
"""As the register and the command line call them."""
USUAL_PROOFING = "substantial"
"""Of a citizen of the population register who is given a code at a desk or by letter."""

PASSWORD, PASSWORD_AND_CODE = "password", "password+totp"
PASSKEY, DEVICE_BOUND_PASSKEY = "passkey", "device-bound passkey"
AUTHENTICATORS = {PASSWORD: LOW, PASSWORD_AND_CODE: SUBSTANTIAL, PASSKEY: SUBSTANTIAL, DEVICE_BOUND_PASSKEY: HIGH}
"""A passkey always verifies its user. One that is copied between devices proves no device: annex 2.2.1, high."""
AMR = {
    PASSWORD: ["pwd"],
    PASSWORD_AND_CODE: ["pwd", "otp", "mfa"],
    PASSKEY: ["user", "swk", "mfa"],
    DEVICE_BOUND_PASSKEY: ["user", "hwk", "mfa"],
}
"""Authentication method references (RFC 8176)."""


def lowest(*levels: str) -> str:
    return min(levels, key=LEVELS.index)


def delivered(way: str, proofing: str, added_at: str) -> str:
    """`way`: of AUTHENTICATORS. `proofing`: of PROOFING. `added_at`: the level of the login in which it was added."""
    return lowest(AUTHENTICATORS[way], PROOFING[proofing], added_at)


def first_met(delivered: str, asked: Iterable[str]) -> str | None:
    """Of the asked levels, in their order of preference, the first that a delivered one satisfies."""
    return next((one for one in asked if at_least(delivered, one)), None)
