"""Leaves: salted commitments, never personal data. Without the salt a leaf says nothing, and every proof still holds.

entry = commitment = SHA-256(salt ‖ canonical JSON of the event); leaf hash = SHA-256(0x00 ‖ entry) (RFC 9162 section
2.1.1). What an event commits to is said here alone: it is made from the row when it is written, and again from the row
when it is checked. The citizen stands in it as the recipient knows him, so that two openings shown to two agencies do
not tell that they are one person's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from consent.ledger.merkle import leaf_hash
from keys.digest import b64encode

NONCE_BYTES = 16

TRACE = ("trace_id", "span_id", "parent_span_id")
"""Bytes, as base64 in the content: which processing this was part of (base.trace)."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "consent": (
        "consent", "type", "agency", "purpose", "purpose_version", "category", "at", "expires_at", "once", "notice_hash",
        "language", "channel", "acting", "who", *TRACE,
    ),
    "use": (
        "recipient", "source", "purpose", "purpose_version", "categories", "use_kind", "legal_basis", "decision",
        "reason", "at", "permit",
        *TRACE,
    ),
    "redemption": ("permit", "source", "at", *TRACE),
    "report": ("permit", "recipient", "outcome", "at", *TRACE),
    "lookup": ("by", "what", "at", *TRACE),
    "act": ("event", "object", "at", "content"),
    "place": ("consent", "list", "idx", "at"),
}  # fmt: skip
"""By kind of event, the members of its row that its leaf commits to."""
SECTOR = {"consent": "agency", "use": "recipient", "redemption": "source", "report": "recipient", "lookup": "by"}
"""By kind of event about a citizen, the member that names the agency by whose pseudonym he stands in it."""


def content(kind: str, row: Mapping[str, Any], sub: str = "") -> bytes:
    """Canonical JSON (sorted members, no space) of one event. `sub`: the citizen, "" where there is none."""
    members = {name: row[name] for name in FIELDS[kind]}
    if kind in SECTOR:
        members["sub"] = sub
    return msgspec.json.encode({"kind": kind, **members}, order="deterministic")


def remains(kind: str, row: Mapping[str, Any]) -> str:
    """The hash of what a line says without its citizen: what the act that forgets him pins it by."""
    return b64encode(hashlib.sha256(content(kind, row)).digest())


def hash_of(salt: bytes, content: bytes) -> str:
    """The hash of the leaf of an event, 43 base64url characters."""
    return b64encode(leaf_hash(commitment(salt, content)))


def commitment(salt: bytes, content: bytes) -> bytes:
    """The 32 bytes that stand in the tree for an event."""
    return hashlib.sha256(salt + content).digest()
