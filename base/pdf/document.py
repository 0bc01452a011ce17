"""A tagged document on A4: headings, paragraphs, and blocks of labels with their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from base.pdf import writer as pdf
from base.pdf.font import Font, clean, load

WIDTH, HEIGHT = 595.28, 841.89
LEFT, RIGHT, TOP, BOTTOM = 62, 62, 62, 76
SIZE, LEADING, INDENT = 12, 18, 12
_HEADINGS = {1: (20, 27, 0), 2: (15, 21, 14), 3: (12, 18, 9)}
"""By level: letter size, line height, and the room above."""
Row = tuple[str, str]


@dataclass(slots=True)
class _Page:
    """`owners`: the structure element of each marked content, by its number."""

    number: int
    content: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    is_marked: bool = False

    def end_mark(self) -> None:
        if self.is_marked:
            self.content.append("EMC")
            self.is_marked = False


class Document:
    def __init__(self, *, title: str, language: str, page_of: str, now: datetime) -> None:
        """`page_of`: the words at the foot, with a place for the page's number."""
        self._writer = pdf.Writer()
        self._title, self._language, self._page_of, self._now = title, language, page_of, now
        self._fonts: dict[str, Font] = {"R": load("regular"), "B": load("bold")}
        self._embedded = {name: pdf.embed(self._writer, font) for name, font in self._fonts.items()}
        self._tree, self._root, self._parents = (self._writer.reserve() for _ in range(3))
        self._pages: list[int] = []
        self._numbers: list[str] = []
        self._elements: list[int] = []
        self._document = self._writer.reserve()
        self._page: _Page | None = None
        self._y = 0.0

    def heading(self, level: int, text: str, *, keep: float = 2 * LEADING) -> None:
        """`keep`: the room that what follows needs on the same page."""
        size, leading, above = _HEADINGS[level]
        lines = list(self._broken(text, "B", size, 0))
        self._room(above + leading * len(lines) + keep)
        self._y -= above
        self._element(f"H{level}", [(line, "B", size, 0.0) for line in lines], leading)

    def paragraph(self, text: str) -> None:
        self._element("P", [(line, "R", SIZE, 0.0) for line in self._broken(text, "R", SIZE, 0)], LEADING)
        self._y -= LEADING / 3

    def block(self, heading: str, rows: Sequence[Row]) -> None:
        """A heading with lines of a label and a value, on one page if they fit on one."""
        lines = [list(self._broken(f"{label}: {value}", "R", SIZE, INDENT)) for label, value in rows if value]
        self.heading(3, heading, keep=min(LEADING * sum(map(len, lines)), HEIGHT / 2))
        for one in lines:
            self._element("P", [(line, "R", SIZE, INDENT) for line in one], LEADING)

    def take(self) -> bytes:
        """What is ready to be sent."""
        return self._writer.take()

    def close(self) -> bytes:
        """The rest of the file."""
        self._end_page()
        out = self._writer
        kids = " ".join(f"{one} 0 R" for one in self._elements)
        out.put(f"<</Type /StructElem /S /Document /P {self._root} 0 R /K [{kids}]>>", self._document)
        out.put(f"<</Nums [{' '.join(self._numbers)}]>>", self._parents)
        out.put(
            f"<</Type /StructTreeRoot /K {self._document} 0 R /ParentTree {self._parents} 0 R"
            f" /ParentTreeNextKey {len(self._pages)}>>",
            self._root,
        )
        pages = " ".join(f"{one} 0 R" for one in self._pages)
        out.put(f"<</Type /Pages /Kids [{pages}] /Count {len(self._pages)}>>", self._tree)
        about = out.stream(self._about(), "/Type /Metadata /Subtype /XML", plain=True)
        catalog = out.put(
            f"<</Type /Catalog /Pages {self._tree} 0 R /Lang {pdf.text(self._language)} /MarkInfo <</Marked true>>"
            f" /StructTreeRoot {self._root} 0 R /Metadata {about} 0 R /ViewerPreferences <</DisplayDocTitle true>>>>"
        )
        info = out.put(f"<</Title {pdf.text(self._title)} /CreationDate (D:{self._now:%Y%m%d%H%M%S}Z)>>")
        out.close(f"/Root {catalog} 0 R /Info {info} 0 R")
        return out.take()

    def _element(self, kind: str, lines: Sequence[tuple[str, str, float, float]], leading: float) -> None:
        """A structure element with its lines, over as many pages as they need; written when it is whole."""
        number, marked = self._writer.reserve(), []
        self._elements.append(number)
        page: _Page | None = None
        for line, font, size, indent in lines:
            here = self._room(leading)
            if here is not page:
                page = here
                marked.append(f"<</Type /MCR /Pg {here.number} 0 R /MCID {len(here.owners)}>>")
                here.content.append(f"/{kind} <</MCID {len(here.owners)}>> BDC")
                here.owners.append(number)
                here.is_marked = True
            self._y -= leading
            here.content.append(self._shown(line, font, size, LEFT + indent, self._y + leading - size))
        if page is not None:
            page.end_mark()
        kids = " ".join(marked)
        self._writer.put(f"<</Type /StructElem /S /{kind} /P {self._document} 0 R /K [{kids}]>>", number)

    def _shown(self, line: str, font: str, size: float, x: float, y: float) -> str:
        return f"BT /{font} {size} Tf {x:.2f} {y:.2f} Td <{self._fonts[font].encode(line)}> Tj ET"

    def _room(self, height: float) -> _Page:
        """The page on which that much goes: this one or a new one."""
        if self._page is None or self._y - height < BOTTOM:
            self._end_page()
            self._page, self._y = _Page(self._writer.reserve()), HEIGHT - TOP
        return self._page

    def _end_page(self) -> None:
        page = self._page
        if page is None:
            return
        page.end_mark()
        place = len(self._pages)
        foot = self._shown(self._page_of % {"page": place + 1}, "R", 9, LEFT, BOTTOM - 30)
        drawn = [*page.content, "/Artifact <</Type /Pagination>> BDC", foot, "EMC"]
        content = self._writer.stream("\n".join(drawn).encode())
        fonts = " ".join(f"/{name} {number} 0 R" for name, number in self._embedded.items())
        self._writer.put(
            f"<</Type /Page /Parent {self._tree} 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {content} 0 R"
            f" /Resources <</Font <<{fonts}>>>> /StructParents {place} /Tabs /S>>",
            page.number,
        )
        self._numbers.append(f"{place} [{' '.join(f'{one} 0 R' for one in page.owners)}]")
        self._pages.append(page.number)
        self._page = None

    def _broken(self, text: str, font: str, size: float, indent: float) -> Iterator[str]:
        """Into lines, between words; a word that is wider than a line anywhere."""
        most, used = WIDTH - LEFT - RIGHT - indent, self._fonts[font]
        line = ""
        for word in clean(text).split():
            longer = f"{line} {word}" if line else word
            if used.width(longer, size) <= most:
                line = longer
                continue
            if line:
                # The space stays: who reads it aloud reads two words.
                yield line + " "
            line = word
            while used.width(line, size) > most:
                at = next(n for n in range(len(line), 0, -1) if n == 1 or used.width(line[:n], size) <= most)
                yield line[:at]
                line = line[at:]
        if line:
            yield line

    def _about(self) -> bytes:
        """XMP (ISO 16684-1): title and language, for readers that look nowhere else."""
        title = self._title.replace("&", "&amp;").replace("<", "&lt;")
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>'
            f"<dc:language><rdf:Bag><rdf:li>{self._language}</rdf:li></rdf:Bag></dc:language>"
            '</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
        ).encode()
