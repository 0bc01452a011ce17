"""Languages: English in the code, Dutch in `<service>/locales/nl.po`, read once at start.

A missing, fuzzy or unused translation fails tests/architecture/test_house_rules.py.
`python -m base.i18n extract` brings every .po file up to date with code and templates (see `base.i18n.__main__`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta, get_timezone
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES: Final = ("nl", "en")
DEFAULT: Final = "nl"
NAMES: Final[Mapping[str, str]] = {"nl": "Nederlands", "en": "English"}
"""Each language in its own words: whoever looks for it can read it."""

ZONE: Final = get_timezone("Europe/Amsterdam")
"""Where people's clocks stand; on the wire and at rest everything is UTC."""

_MAX_ACCEPT_LANGUAGE = 200
_UNITS: Final[tuple[tuple[Literal["year", "day", "hour", "minute", "second"], int], ...]] = (
    ("year", 31_536_000),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    """Mark a message for extraction where it is written and translated elsewhere."""
    return message


def load(folders: Iterable[Path]) -> dict[str, NullTranslations]:
    """The translations of every language, merged from `<folder>/nl.po` in the order given.

    Raises ValueError for a file that is not a catalogue.
    """
    dutch = Translations()
    for folder in folders:
        path = folder / "nl.po"
        if not path.exists():
            continue
        with path.open("rb") as file:
            catalogue = read_po(file, locale="nl", abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        dutch.merge(Translations(fp=compiled))
    return {"nl": dutch, "en": NullTranslations()}


def negotiate(chosen: str | None, accept_language: str | None) -> str:
    """The language to answer in: the person's own choice, else the browser's first we speak, else Dutch."""
    if chosen in LANGUAGES:
        return chosen
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate((accept_language or "")[:_MAX_ACCEPT_LANGUAGE].split(",")):
        tag, _, parameter = part.partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        if quality > 0 and language in LANGUAGES:
            ranked.append((-quality, position, language))
    return min(ranked)[2] if ranked else DEFAULT


def text(texts: Mapping[str, str], language: str) -> str:
    """A text that is data in several languages (purposes, agencies), in the reader's or else the nearest to hand."""
    for candidate in (language, DEFAULT, "en"):
        if texts.get(candidate):
            return texts[candidate]
    return next(iter(texts.values()), "")


def day(value: date | datetime, language: str) -> str:
    """24 November 2026. An instant is shown as the day it is on people's clocks."""
    if isinstance(value, datetime):
        value = value.astimezone(ZONE).date()
    return format_date(value, "d MMMM y", locale=_locale(language))


def month(value: date, language: str) -> str:
    """November 2026."""
    return format_date(value, "LLLL y", locale=_locale(language))


def moment(value: datetime, language: str) -> str:
    """24 November 2026 at 08:15, on people's clocks."""
    return format_datetime(value.astimezone(ZONE), _PATTERNS[language], tzinfo=ZONE, locale=_locale(language))


def clock(value: datetime, language: str) -> str:
    """08:15, on people's clocks."""
    return format_time(value.astimezone(ZONE), "HH:mm", tzinfo=ZONE, locale=_locale(language))


def machine(value: date | datetime) -> str:
    """For the datetime attribute of <time>: RFC 3339, UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat()


def duration(seconds: int, language: str) -> str:
    """A duration in the largest unit that holds it exactly: a notice never rounds ("90 days", not "3 months")."""
    unit = next((unit for unit, size in _UNITS if seconds >= size and seconds % size == 0), _UNITS[-1][0])
    # format_unit finds no Dutch for a day or an hour in CLDR; this way it is found, and the threshold keeps the unit.
    return format_timedelta(timedelta(seconds=seconds), granularity=unit, threshold=10**9, locale=_locale(language))


_PATTERNS: Final[Mapping[str, str]] = {"nl": "d MMMM y 'om' HH:mm", "en": "d MMMM y 'at' HH:mm"}
_LOCALES: Final[Mapping[str, Locale]] = {"nl": Locale("nl"), "en": Locale("en", "GB")}


def _locale(language: str) -> Locale:
    return _LOCALES.get(language, _LOCALES[DEFAULT])
