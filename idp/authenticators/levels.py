"""Assurance levels as eIDAS names them (EU 2015/1502), and what each way of logging in is worth."""

LOW = "http://eidas.europa.eu/LoA/low"
SUBSTANTIAL = "http://eidas.europa.eu/LoA/substantial"
HIGH = "http://eidas.europa.eu/LoA/high"
LEVELS = (LOW, SUBSTANTIAL, HIGH)

DELIVERED = {"passkey": SUBSTANTIAL, "password+totp": SUBSTANTIAL, "password": LOW}
"""Never above what both the authenticator and the proofing gave. `high` needs proofing in person, which comes later."""
AMR = {"passkey": ["user", "hwk"], "password+totp": ["pwd", "otp", "mfa"], "password": ["pwd"]}
"""Authentication method references (RFC 8176)."""


def at_least(delivered: str, asked: str) -> bool:
    """Whether a delivered level satisfies an asked one. An unknown level never does."""
    if delivered not in LEVELS or asked not in LEVELS:
        return False
    return LEVELS.index(delivered) >= LEVELS.index(asked)
