"""The objects of a PDF 1.7 file, written one after the other; what was written can be taken and sent (ISO 32000-1, 7.5)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from base.pdf.font import Font

HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


class Writer:
    def __init__(self) -> None:
        self._waiting = bytearray(HEADER)
        self._at = len(HEADER)
        self._offsets: list[int] = []

    def reserve(self) -> int:
        """The number of an object that is written later."""
        self._offsets.append(0)
        return len(self._offsets)

    def put(self, body: str, number: int | None = None) -> int:
        return self._object(body.encode("latin-1"), number)

    def stream(self, data: bytes, members: str = "", number: int | None = None, *, plain: bool = False) -> int:
        """`plain`: not compressed."""
        packed = data if plain else zlib.compress(data)
        head = f"<<{members}{'' if plain else ' /Filter /FlateDecode'} /Length {len(packed)}>>\nstream\n"
        return self._object(head.encode("latin-1") + packed + b"\nendstream", number)

    def take(self) -> bytes:
        """What is ready to be sent."""
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken

    def close(self, members: str) -> None:
        """The cross-reference table and the trailer."""
        rows = "".join(f"{one:010d} 00000 n \n" for one in self._offsets)
        count = len(self._offsets) + 1
        table = f"xref\n0 {count}\n0000000000 65535 f \n{rows}trailer\n<</Size {count} {members}>>\nstartxref\n{self._at}\n%%EOF\n"
        self._waiting += table.encode("latin-1")

    def _object(self, body: bytes, number: int | None) -> int:
        number = number or self.reserve()
        self._offsets[number - 1] = self._at
        whole = b"%d 0 obj\n%s\nendobj\n" % (number, body)
        self._waiting += whole
        self._at += len(whole)
        return number


def text(value: str) -> str:
    """A text string: UTF-16 with its mark, in hexadecimal."""
    return f"<FEFF{value.encode('utf-16-be').hex().upper()}>"


def embed(writer: Writer, font: Font) -> int:
    """A composite font with every glyph at its own number (9.7.4), and what each reads as (9.10.3)."""
    program = writer.stream(font.program, f"/Length1 {len(font.program)}")
    box = " ".join(map(str, font.box))
    measures = f"/Ascent {font.ascent} /Descent {font.descent} /CapHeight {font.ascent} /StemV 80 /ItalicAngle 0"
    described = writer.put(
        f"<</Type /FontDescriptor /FontName /{font.name} /Flags 32 /FontBBox [{box}] {measures} /FontFile2 {program} 0 R>>"
    )
    widths = " ".join(map(str, font.widths))
    inner = writer.put(
        f"<</Type /Font /Subtype /CIDFontType2 /BaseFont /{font.name} /CIDToGIDMap /Identity"
        " /CIDSystemInfo <</Registry (Adobe) /Ordering (Identity) /Supplement 0>>"
        f" /FontDescriptor {described} 0 R /DW 600 /W [0 [{widths}]]>>"
    )
    reads = writer.stream(_reads_as(font.glyphs))
    return writer.put(
        f"<</Type /Font /Subtype /Type0 /BaseFont /{font.name} /Encoding /Identity-H"
        f" /DescendantFonts [{inner} 0 R] /ToUnicode {reads} 0 R>>"
    )


def _reads_as(glyphs: Mapping[int, int]) -> bytes:
    letters = {glyph: code for code, glyph in sorted(glyphs.items(), reverse=True)}
    rows = [f"<{glyph:04X}> <{code:04X}>" for glyph, code in sorted(letters.items())]
    parts = [rows[at : at + 100] for at in range(0, len(rows), 100)]
    body = "\n".join(f"{len(one)} beginbfchar\n" + "\n".join(one) + "\nendbfchar" for one in parts)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n{body}\n"
        "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode()
