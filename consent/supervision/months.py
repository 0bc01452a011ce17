"""Periods are whole calendar months, on people's clocks; the one that runs, until the last midnight.

No other period can be asked for: two that differ by a day, or by a minute, would tell what happened in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from base.i18n import ZONE
from consent.history import midnight

OLDEST = 60
"""So many months back."""
SETTLED = timedelta(minutes=15)
"""When a day is over for certain: whatever was begun in it is committed or rolled back, and its permits have expired."""
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """`name`: such as 2026-11. `until`: what is counted ends before it. `days`: whole ones, none on its first day."""

    start: date
    last: date
    """The first day that does not count."""

    @property
    def name(self) -> str:
        return f"{self.start:%Y-%m}"

    @property
    def since(self) -> datetime:
        return midnight(self.start)

    @property
    def until(self) -> datetime:
        return midnight(self.last)

    @property
    def end(self) -> date:
        """The last day that counts."""
        return self.last - timedelta(days=1)

    @property
    def days(self) -> int:
        return (self.last - self.start).days

    @property
    def is_complete(self) -> bool:
        return self.last == _next(self.start)

    @classmethod
    def of(cls, start: date, now: datetime) -> Self:
        return cls(start, max(start, min(_next(start), _today(now))))


def recent(now: datetime) -> Month:
    """The newest with a whole day in it."""
    return Month.of((_today(now) - timedelta(days=1)).replace(day=1), now)


def read(name: str, now: datetime) -> Month | None:
    """The month of a name such as 2026-11; None for what is none, has no whole day yet, or is too long ago."""
    newest = recent(now)
    found = _MONTH.fullmatch(name)
    return next((one for one in before(newest, OLDEST, now) if found and one.name == name), None)


def before(month: Month, count: int, now: datetime) -> list[Month]:
    """So many months that end with this one, oldest first."""
    months = [month]
    while len(months) < count:
        months.append(Month.of((months[-1].start - timedelta(days=1)).replace(day=1), now))
    return months[::-1]


def _today(now: datetime) -> date:
    return (now - SETTLED).astimezone(ZONE).date()


def _next(start: date) -> date:
    return (start + timedelta(days=32)).replace(day=1)
