"""Leaves: salted commitments, never personal data. Without the salt a leaf says nothing, and every proof still holds.

commitment = SHA-256(salt ‖ canonical JSON of the event); leaf hash = SHA-256(0x00 ‖ commitment) (RFC 9162 section 2.1.1).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from keys.digest import b64encode

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Leaf:
    """`hash`: 43 base64url characters. `salt` and `content` are kept apart and can be erased."""

    hash: str
    salt: bytes
    content: Mapping[str, Any]


def make(content: Mapping[str, Any]) -> Leaf:
    """A leaf with a fresh salt for one event."""
    salt = os.urandom(SALT_BYTES)
    # As it will be read back from the database, instants as text: the hash must come out the same then.
    plain = msgspec.to_builtins(content)
    return Leaf(hash_of(salt, plain), salt, plain)


def hash_of(salt: bytes, content: Mapping[str, Any]) -> str:
    """Recompute a leaf's hash, to check that it commits to this content."""
    commitment = hashlib.sha256(salt + msgspec.json.encode(content, order="deterministic")).digest()
    return b64encode(hashlib.sha256(b"\x00" + commitment).digest())
