"""Passwords: argon2id at the floor of OWASP's advice (19 MiB, 2 passes), in two slots of their own."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type

from base.limits import Slots

MIN_LENGTH, MAX_LENGTH = 15, 256
"""Characters. 15, as a password may be all there is until a code app is set up (NIST SP 800-63B section 3.1.1.2)."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_NOBODY = _HASHER.hash("nobody has this password, but trying it takes as long")
_COMMON = frozenset(
    {"password", "wachtwoord", "welkom01", "welkom123", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123"}
    | {
        "password1",
        "password123",
        "iloveyou",
        "zonnetje",
        "voetbal1",
        "geheim123",
        "welkom2026",
        "lente2026",
        "feyenoord",
    }
)


def normal(password: str) -> str:
    """NFKC: what a person types is the same on every keyboard (NIST SP 800-63B section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password[: MAX_LENGTH + 1])


def weakness(password: str, *, username: str) -> str | None:
    """Why a new password will not do (`short`, `long`, `common`, `name`), or None. No rules on kinds of characters."""
    text = normal(password)
    if len(text) < MIN_LENGTH:
        return "short"
    if len(text) > MAX_LENGTH:
        return "long"
    folded = text.casefold()
    if folded in _COMMON or len(set(folded)) < 4:
        return "common"
    if username and username.casefold() in folded:
        return "name"
    return None


def hash_password(password: str) -> str:
    """An argon2id string; takes some 40 ms of a core."""
    return _HASHER.hash(normal(password))


async def verify(slots: Slots, stored: str | None, password: str) -> bool:
    """Compare in a slot. Without a stored hash the same work is done for nothing, so that nobody learns who exists."""
    text = normal(password)
    if len(text) > MAX_LENGTH:
        text = ""

    def work() -> bool:
        try:
            _HASHER.verify(stored or _NOBODY, text)
        except (Argon2Error, InvalidHashError):
            return False
        return stored is not None

    return await slots.run(work)
