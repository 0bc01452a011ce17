"""Rule 26 of the pages: what citizens read is plain, by the scores of Flesch (English) and of Flesch and Douma (Dutch).

From 60 up a text is plain, from 70 easy. Words of one's own, such as names of agencies, do
not count; nor do labels of a few words, which are no sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from base.i18n.extract import SERVICES, written

HERE = Path(__file__).resolve().parent.parent.parent
DEMO = HERE / "regie" / "demo"
LANGUAGES = ("en", "nl")
MIN_SCORE, MAX_WORDS, FEW = 65, 30, 4
_PLACE = re.compile(r"%\(\w+\)[sd]|\{[^}]*\}")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE = re.compile(r"[.!?:;](?:\s+|$)")
_VOWELS = {"en": re.compile(r"[aeiouy]+"), "nl": re.compile(r"ij|[aeiouyáàäéèëíïóöúü]+")}
_NO = re.compile(r"\b(?:not?|never|none|nothing|nobody|cannot|niet|nooit|geen|niets|niemand|nergens)\b", re.IGNORECASE)


def syllables(word: str, language: str) -> int:
    """By groups of vowels; an English word's last e is silent."""
    word = word.lower()
    count = len(_VOWELS[language].findall(word))
    if (
        language == "en"
        and re.search(r"[^aeiouyl]e(?:s|d)?$", word)
        and not re.search(r"(?:[td]ed|[sxz]es|ches|shes|ges|ces)$", word)
    ):
        count -= 1
    return max(count, 1)


def sentences(text: str) -> list[list[str]]:
    """The words of each."""
    parts = (_WORD.findall(one) for one in _SENTENCE.split(_PLACE.sub(" ", text)))
    return [one for one in parts if one]


def score(texts: list[str], language: str) -> float:
    found = [one for text in texts for one in sentences(text)]
    words = [word for one in found for word in one]
    length, weight = len(words) / len(found), sum(syllables(word, language) for word in words) / len(words)
    return 206.835 - 1.015 * length - 84.6 * weight if language == "en" else 206.84 - 0.93 * length - 77 * weight


def screens(service: str, language: str) -> list[str]:
    texts = [(one.id, one.string) for one in written(service) if one.id]
    return [dutch if language == "nl" else english for english, dutch in texts if isinstance(english, str)]


def purposes(language: str) -> Iterator[str]:
    for purpose in json.loads((DEMO / "purposes.json").read_text()):
        for name in ("explanation", "refusal"):
            yield purpose[name][language]
    for agency in json.loads((DEMO / "agencies.json").read_text()):
        for category in agency.get("categories", ()):
            yield category["description"][language]


def read_by_citizens(language: str) -> dict[str, list[str]]:
    """All sentences, by where they stand."""
    places = {service: screens(service, language) for service in SERVICES}
    texts = {**places, "demo": list(purposes(language))}
    return {place: [one for one in found if sum(map(len, sentences(one))) > FEW] for place, found in texts.items()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", [*SERVICES, "demo"])
def test_it_is_easy_to_read(place: str, language: str) -> None:
    texts = read_by_citizens(language)[place]

    assert score(texts, language) >= MIN_SCORE
    assert [words for text in texts for words in sentences(text) if len(words) > MAX_WORDS] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_denies_twice(language: str) -> None:
    texts = [text for found in read_by_citizens(language).values() for text in found]
    twice = [
        one for text in texts for one in re.split(r"[.!?:;,]| and | en | or | of ", text) if len(_NO.findall(one)) > 1
    ]

    assert twice == []


@pytest.mark.parametrize(
    ("text", "language", "lowest", "highest"),
    [
        ("The cat sat on the mat.", "en", 110, 120),
        ("The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.", "en", 15, 50),
        ("De kat zit op de mat.", "nl", 110, 130),
        ("Belanghebbenden verkrijgen toestemmingsmogelijkheden overeenkomstig bepalingen.", "nl", -250, 0),
    ],
)
def test_the_score_is_that_of_the_books(text: str, language: str, lowest: int, highest: int) -> None:
    assert lowest <= score([text], language) <= highest
