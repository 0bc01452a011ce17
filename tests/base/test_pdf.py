"""PDF for people, read back as a reader does: all of it tagged, in its order, in a known language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.pdf.document import Document
from base.pdf.font import clean, load
from tests.fixtures.pdf import read

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made() -> Document:
    return Document(title="Wat Regie bewaart", language="nl", page_of="bladzijde %(page)s", now=NOW)


def test_headings_paragraphs_and_blocks_are_read_in_their_order() -> None:
    """ISO 32000-1 sections 14.7 and 14.8; 14.9.2 for the language."""
    document = made()
    document.heading(1, "Wat Regie bewaart")
    document.paragraph("Voor u.")
    document.block("Gemeente", [("Doel", "Toeslag"), ("Leeg", "")])

    found = read(document.take() + document.close())

    assert (found.title, found.language, found.pages) == ("Wat Regie bewaart", "nl", 1)
    assert found.elements == [("H1", "Wat Regie bewaart"), ("P", "Voor u."), ("H3", "Gemeente"), ("P", "Doel: Toeslag")]
    assert found.loose == ["bladzijde 1"]


def test_a_text_over_several_lines_and_pages_is_one_and_no_two_words_become_one() -> None:
    document, words = made(), "Łukaszęwicz en Şahin " * 900

    document.paragraph(words)

    found = read(document.close())
    assert found.pages > 2
    assert found.elements == [("P", words.strip())]


def test_a_word_wider_than_the_page_is_broken_and_still_one_word() -> None:
    document = made()

    document.paragraph("W" * 500)

    assert read(document.close()).elements == [("P", "W" * 500)]


def test_what_is_taken_while_it_is_made_is_the_same_file() -> None:
    pieces, whole = made(), made()
    taken = b""
    for one in range(300):
        pieces.block(f"Regel {one}", [("Doel", "x")])
        whole.block(f"Regel {one}", [("Doel", "x")])
        taken += pieces.take()

    assert taken + pieces.close() == whole.close()
    assert len(taken) > 0


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("e\u0301", "é"),  # combining accents become the letter
        ("a\u202eb\u200bc\x00d", "abc d"),  # what turns text around or is not seen is gone
        ("漢😀", "\ufffd\ufffd"),  # what the font has not is seen as such
        ("(a) \\ <b> ]", "(a) \\ <b> ]"),  # PDF's own marks are letters as others
        ("", ""),
    ],
)
def test_any_text_is_shown_or_seen_to_be_missing(text: str, read_as: str) -> None:
    document = made()

    document.heading(2, "x")
    document.paragraph(text)

    assert read(document.close()).elements == [("H2", "x"), ("P", read_as)]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=200), max_size=8))
@settings(max_examples=40, deadline=None, database=None, derandomize=True)
def test_whatever_is_written_is_read_back(texts: list[str]) -> None:
    document, font = made(), load("regular")
    document.heading(1, "Begin")
    for one in texts:
        document.paragraph(one)

    found = read(document.close())

    shown = [" ".join(clean(one).split()) for one in texts]
    seen = ["".join(letter if ord(letter) in font.glyphs else "\ufffd" for letter in one) for one in shown]
    assert found.elements == [("H1", "Begin"), *(("P", one) for one in seen)]
