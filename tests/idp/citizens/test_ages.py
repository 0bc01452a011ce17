"""How old a citizen is: of an unknown birthday the latest counts."""

from __future__ import annotations

from datetime import date

import pytest

from idp.citizens.register import Person


@pytest.mark.parametrize(
    ("born", "today", "reached"),
    [
        ("2010-11-25", date(2026, 11, 24), False),
        ("2010-11-25", date(2026, 11, 25), True),
        ("2008-02-29", date(2024, 2, 29), True),
        ("2012-02-29", date(2028, 2, 28), False),
        ("2010-02-28", date(2026, 3, 1), True),
        ("2010-11-00", date(2026, 11, 29), False),
        ("2010-11-00", date(2026, 12, 1), True),
        ("2010-00-00", date(2026, 12, 30), False),
        ("2010-00-00", date(2027, 1, 1), True),
    ],
)
def test_sixteen_is_reached_on_the_day_itself(born: str, today: date, *, reached: bool) -> None:
    assert Person("999900006", "Anna", "Voorbeeld", born).has_reached(16, today) is reached
