"""Leaves: commitments that a tree of RFC 9162 can hold."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from consent.ledger import leaf
from keys.digest import b64encode


def test_the_leaf_hash_is_that_of_rfc_9162_section_2_1_1() -> None:
    """SHA-256(0x00 ‖ entry), the entry being SHA-256(salt ‖ canonical JSON)."""
    salt = bytes(range(32))
    entry = hashlib.sha256(salt + b'{"a":1,"b":"x"}').digest()

    assert leaf.hash_of(salt, {"b": "x", "a": 1}) == b64encode(hashlib.sha256(b"\x00" + entry).digest())


def test_two_leaves_of_the_same_event_look_unlike() -> None:
    content = {"kind": "given", "category": "address"}

    assert leaf.make(content).hash != leaf.make(content).hash


def test_what_is_kept_to_open_a_leaf_is_plain_json() -> None:
    """Instants as text: the hash comes out the same when it is read back from either database."""
    made = leaf.make({"at": datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)})

    assert made.content == {"at": "2026-11-24T12:00:00.000005Z"}
    assert leaf.hash_of(made.salt, made.content) == made.hash
