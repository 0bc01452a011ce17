"""Names that strangers give and people read: they must read as they are stored, and look like nobody else's."""

from __future__ import annotations

import re
import unicodedata

_MISLEADING = re.compile("[\u0000-\u001f\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff<>]")
"""Controls, invisible and direction marks, markup."""


def is_plain(text: str) -> bool:
    """Whether a text holds nothing that is not seen, and stands in one form (Unicode NFC)."""
    return not _MISLEADING.search(text) and text == unicodedata.normalize("NFC", text)


def is_latin(text: str) -> bool:
    """Whether every letter is of our script: a Cyrillic one that looks like ours makes one agency pass for another."""
    return all(
        letter.isascii() or unicodedata.name(letter, "").startswith("LATIN") for letter in text if letter.isalpha()
    )
