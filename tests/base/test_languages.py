"""What a reader reads: durations in words, in every language."""

from __future__ import annotations

import pytest

from base import i18n


@pytest.mark.parametrize(
    ("seconds", "dutch", "english"),
    [
        (1, "1 seconde", "1 second"),
        (90, "90 seconden", "90 seconds"),
        (600, "10 minuten", "10 minutes"),
        (3_600, "1 uur", "1 hour"),
        (86_400, "1 dag", "1 day"),
        (2_592_000, "30 dagen", "30 days"),
        (7_776_000, "90 dagen", "90 days"),
        (31_536_000, "1 jaar", "1 year"),
    ],
)
def test_a_duration_is_exact_and_in_words(seconds: int, dutch: str, english: str) -> None:
    assert (i18n.duration(seconds, "nl"), i18n.duration(seconds, "en")) == (dutch, english)
