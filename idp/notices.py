"""What a citizen is told of his own login: a new way in, a new device, a login after wrong guesses (ASVS 6.3.5, 6.3.7).

A notice stands on his pages until he says that he has seen it, and stays in the list afterwards; a message in the
outbox lets the house tell him elsewhere too.
"""

from __future__ import annotations

from datetime import datetime

from base import outbox
from base.database import Connection
from base.ids import digest, identifier
from idp.store import notices as store
from idp.store import sessions
from idp.store.notices import Notice

__all__ = ["KIND", "KINDS", "SEVERAL", "Notice", "arrived", "of", "seen", "tell"]

KIND = "citizen.told"
SEVERAL = 3
"""Wrong guesses before the citizen is told: one is a slip of the finger."""
KINDS = frozenset(
    {
        "password.set", "totp.set", "passkey.added", "passkey.removed", "enrolled",
        "device.new", "login.after_guesses", "code.guessed",
    }
)  # fmt: skip


def tell(connection: Connection, citizen_id: str, kind: str, now: datetime, *, about: str = "") -> None:
    """Tell, in this commit. `about`: the name of a passkey or of a device. ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"{kind} is not a notice")
    one = Notice(identifier(), kind, about, now, None)
    store.add(connection, citizen_id, one)
    outbox.put(connection, KIND, {"citizen": citizen_id, "kind": kind, "notice": one.id}, key=citizen_id, now=now)


def arrived(connection: Connection, citizen_id: str, *, browser: str, device: str, now: datetime) -> None:
    """A login in a browser that this citizen did not use before is news; the very first login is not."""
    if sessions.meet_device(connection, digest(f"{citizen_id} {browser}"), citizen_id, now):
        tell(connection, citizen_id, "device.new", now, about=device)


def of(connection: Connection, citizen_id: str) -> list[Notice]:
    """The latest first."""
    return store.of(connection, citizen_id)


def seen(connection: Connection, citizen_id: str, now: datetime) -> None:
    store.seen(connection, citizen_id, now)
