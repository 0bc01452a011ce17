"""Secrets at rest and in comparison."""

import base64
import hashlib
import hmac


def digest(secret: str) -> str:
    """SHA-256 of a high-entropy secret, 43 base64url characters: what is stored of codes, tokens and cookies.

    Only for secrets of at least 128 random bits; a password goes through argon2id.
    """
    return b64encode(hashlib.sha256(secret.encode()).digest())


def same(a: str, b: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())


def b64encode(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def b64decode(text: str | bytes) -> bytes:
    """The strict inverse of `b64encode`; ValueError for padding or any other character."""
    data = text.encode() if isinstance(text, str) else text
    if b"=" in data or b"+" in data or b"/" in data:
        raise ValueError("not base64url")
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
