"""A TrueType font: which glyph a character is, how wide it is, and the objects by which a PDF embeds it.

Only what our own two files need is read (OpenType: head, hhea, hmtx, cmap format 4).
"""

from __future__ import annotations

import struct
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_UNKNOWN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Font:
    """`glyphs`: by code point. `widths`: by glyph, in thousandths of the letter size."""

    name: str
    program: bytes
    glyphs: dict[int, int]
    widths: list[int]
    box: tuple[int, int, int, int]
    ascent: int
    descent: int

    def encode(self, text: str) -> str:
        """As a hexadecimal string of two bytes a glyph. What the font has not is shown as such."""
        return "".join(f"{self._glyph(one):04X}" for one in clean(text))

    def width(self, text: str, size: float) -> float:
        return sum(self.widths[self._glyph(one)] for one in clean(text)) * size / 1000

    def _glyph(self, letter: str) -> int:
        return self.glyphs.get(ord(letter)) or self.glyphs[ord(_UNKNOWN)]


def clean(text: str) -> str:
    """One code point for a letter with its accents; nothing that is not to be seen."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if one.isprintable() else " " for one in composed if unicodedata.category(one) != "Cf")


@cache
def load(name: str) -> Font:
    """`name`: regular or bold."""
    raw = (_HERE / f"{name}.ttf").read_bytes()
    tables = _tables(raw)
    head, hhea = tables["head"], tables["hhea"]
    units = _u16(head, 18)
    scale = 1000 / units
    box = struct.unpack_from(">4h", head, 36)
    count = _u16(hhea, 34)
    advances = [_u16(tables["hmtx"], 4 * at) for at in range(count)]
    glyphs = _u16(tables["maxp"], 4)
    widths = [round(one * scale) for one in advances + [advances[-1]] * (glyphs - count)]
    ascent, descent = (round(one * scale) for one in struct.unpack_from(">2h", hhea, 4))
    named = {"regular": "REGIES+DejaVuSans", "bold": "REGIES+DejaVuSans-Bold"}[name]
    x0, y0, x1, y1 = (round(one * scale) for one in box)
    return Font(named, raw, _cmap(tables["cmap"]), widths, (x0, y0, x1, y1), ascent, descent)


def _tables(raw: bytes) -> dict[str, bytes]:
    found = {}
    for at in range(12, 12 + 16 * _u16(raw, 4), 16):
        tag, _, offset, length = struct.unpack_from(">4sLLL", raw, at)
        found[tag.decode()] = raw[offset : offset + length]
    return found


def _cmap(table: bytes) -> dict[int, int]:
    """Format 4, of Unicode's first plane."""
    offsets = (struct.unpack_from(">L", table, 4 + 8 * one + 4)[0] for one in range(_u16(table, 2)))
    at = next(one for one in offsets if _u16(table, one) == 4)
    count = _u16(table, at + 6) // 2
    ends, starts = at + 14, at + 16 + 2 * count
    deltas, ranges = starts + 2 * count, starts + 4 * count
    found = {}
    for one in range(count):
        first, last = _u16(table, starts + 2 * one), _u16(table, ends + 2 * one)
        delta, shift = _u16(table, deltas + 2 * one), _u16(table, ranges + 2 * one)
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = _u16(table, ranges + 2 * one + shift + 2 * (code - first)) if shift else code
            if glyph and (glyph := (glyph + delta) & 0xFFFF):
                found[code] = glyph
    return found


def _u16(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 2], "big")
