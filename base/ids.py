"""Random names, from the operating system's generator."""

import secrets

from keys.digest import digest, same

__all__ = ["digest", "identifier", "same", "secret"]


def secret() -> str:
    """256 random bits, 43 base64url characters: codes, tokens, cookies, client secrets."""
    return secrets.token_urlsafe(32)


def identifier() -> str:
    """128 random bits, 22 base64url characters: names of things, which are no secrets.

    None begins with a dash: on a command line it would be read as an option.
    """
    while (made := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return made
