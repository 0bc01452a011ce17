"""The life of a key, as rules without a clock or a disk: announced → active → retiring → withdrawn.

A signing key is announced before its first use, so that every reader of the JWKS has it by then; it retires while
tokens signed by it may live; withdrawn it never verifies again (OpenID Connect Core section 10.1.1). An encryption key
needs no announcement: it is active at once, and its predecessor still decrypts while it retires (section 10.2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keys.errors import UnknownKey

ANNOUNCED, ACTIVE, RETIRING, WITHDRAWN = STATES = ("announced", "active", "retiring", "withdrawn")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key. `kid`: RFC 7638 thumbprint."""

    kid: str
    alg: str
    state: str
    created_at: datetime
    changed_at: datetime


def rotate(keys: Sequence[KeyInfo], new: KeyInfo, now: datetime) -> list[KeyInfo]:
    """Planned: the active key of `new.alg` retires; `new` takes its place, or is announced and the announced one does."""
    following = {ANNOUNCED: ACTIVE, ACTIVE: RETIRING}
    if new.state == ANNOUNCED and not any(key.alg == new.alg and key.state == ANNOUNCED for key in keys):
        raise UnknownKey(f"no {new.alg} key is announced")
    moved = [_move(key, following.get(key.state, key.state), now) if key.alg == new.alg else key for key in keys]
    return [*moved, new]


def retire(keys: Sequence[KeyInfo], alg: str, before: datetime, now: datetime) -> list[KeyInfo]:
    """Withdraw what has been retiring since `before`: no token signed by it, or encrypted to it, can still live."""
    old = {key.kid for key in keys if key.alg == alg and key.state == RETIRING and key.changed_at <= before}
    return [_move(key, WITHDRAWN, now) if key.kid in old else key for key in keys]


def revoke(keys: Sequence[KeyInfo], kid: str, now: datetime) -> list[KeyInfo]:
    """A key is lost or stolen: withdrawn at once, never again used or accepted.

    If it was active, the announced key of its algorithm takes over in the same act.
    """
    lost = next((key for key in keys if key.kid == kid and key.state != WITHDRAWN), None)
    if lost is None:
        raise UnknownKey("no such key, or it is withdrawn already")
    result = []
    for key in keys:
        if key.kid == kid:
            result.append(_move(key, WITHDRAWN, now))
        elif lost.state == ACTIVE and key.alg == lost.alg and key.state == ANNOUNCED:
            result.append(_move(key, ACTIVE, now))
        else:
            result.append(key)
    return result


def _move(key: KeyInfo, state: str, now: datetime) -> KeyInfo:
    return key if key.state == state else replace(key, state=state, changed_at=now)
