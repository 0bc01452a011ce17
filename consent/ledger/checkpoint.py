"""Checkpoints: origin, size and root of the tree, as the text of a signed note (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from keys.notes import BadNote, Signed, Verifier, open_note

_TEXT = re.compile(r"([^\s+]{1,200})\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`root`: 32 bytes. No extension lines: nobody could audit them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin_of(issuer: str, number: int = 1) -> str:
    """The name of the log of this house. `number`: which log of it; more than 1 after one was lost (docs/ledger.md)."""
    name = f"{urlsplit(issuer).netloc}/ledger"
    return name if number == 1 else f"{name}/{number}"


def parse(text: str) -> Checkpoint:
    """From the text of a note. BadNote."""
    found = _TEXT.match(text)
    if found is None:
        raise BadNote("not a checkpoint")
    root = base64.b64decode(found[3])
    if base64.b64encode(root).decode() != found[3]:
        raise BadNote("not canonical base64 of a root")
    return Checkpoint(found[1], int(found[2]), root)


def open_checkpoint(note: str, verifiers: Sequence[Verifier], *, origin: str) -> tuple[Checkpoint, tuple[Signed, ...]]:
    """The checkpoint, signed by the log itself, and all who signed it of those we know. BadNote."""
    text, signed = open_note(note, verifiers)
    checkpoint = parse(text)
    if checkpoint.origin != origin:
        raise BadNote("a checkpoint of another log")
    if not any(one.name == origin for one in signed):
        raise BadNote("not signed by the log")
    return checkpoint, signed
