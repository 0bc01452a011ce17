"""Assurance levels as eIDAS names them (EU 2015/1502), and what each way of logging in is worth.

What is delivered is the lowest of three: the authenticator, how well the identity was proven, and the login in which
the authenticator was added. A stolen password that adds a passkey has added a passkey of level low.
"""

from collections.abc import Iterable

LOW = "http://eidas.europa.eu/LoA/low"
SUBSTANTIAL = "http://eidas.europa.eu/LoA/substantial"
HIGH = "http://eidas.europa.eu/LoA/high"
LEVELS = (LOW, SUBSTANTIAL, HIGH)

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


def at_least(delivered: str, asked: str) -> bool:
    """Whether a delivered level satisfies an asked one. An unknown level never does."""
    if delivered not in LEVELS or asked not in LEVELS:
        return False
    return LEVELS.index(delivered) >= LEVELS.index(asked)


def first_met(delivered: str, asked: Iterable[str]) -> str | None:
    """Of the asked levels, in their order of preference, the first that a delivered one satisfies."""
    return next((one for one in asked if at_least(delivered, one)), None)
