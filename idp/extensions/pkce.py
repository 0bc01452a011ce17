"""Proof Key for Code Exchange (RFC 7636): S256 alone, for every client."""

from __future__ import annotations

import hashlib
import re

from idp.errors import OAuthError
from keys.digest import b64encode

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")


def check_challenge(challenge: str | None, method: str | None) -> None:
    """At the authorization endpoint (section 4.3); `plain`, which an absent method means, is refused."""
    if not challenge or method != "S256" or not _CHALLENGE.match(challenge):
        raise OAuthError("invalid_request", "PKCE with code_challenge_method S256 is required.")


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier; of a malformed one, something that equals no challenge (section 4.6)."""
    if not _VERIFIER.match(verifier):
        return ""
    return b64encode(hashlib.sha256(verifier.encode()).digest())
