"""Time as an argument: one clock per house, a second implementation for tests. Instants are aware UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from base.log import log

STEP_NS = 1_000_000_000
"""More than this behind what was told is a step, and told to the operator."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# It also counts the time that the machine sleeps; where there is none, the one that does not.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _steady() -> int:
    return time.clock_gettime_ns(_STEADY)


class Clock(Protocol):
    def now(self) -> datetime: ...


class SystemClock:
    """The machine's time, which never goes back: what has expired stays expired.

    A step back of the machine's clock is not followed: time goes on from what was told before, at the rate of the
    steady clock, until the machine has caught up. A step forward is followed: nothing lives longer for it. `wall`,
    `steady`: nanoseconds, since 1970 and since whenever.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = _steady) -> None:
        self._wall = wall
        self._steady = steady
        self._from = (wall(), steady())
        self._stepped = False

    def now(self) -> datetime:
        began, at = self._from
        steady, wall = self._steady(), self._wall()
        expected = began + steady - at
        if wall >= expected:
            # One assignment, so that a thread beside sees both or neither.
            self._from = (wall, steady)
            self._stepped = False
            return _EPOCH + timedelta(microseconds=wall // 1000)
        if expected - wall > STEP_NS and not self._stepped:
            self._stepped = True
            log.error("clock.stepped_back", seconds=(expected - wall) // 1_000_000_000)
        return _EPOCH + timedelta(microseconds=expected // 1000)

    def not_before(self, at: datetime) -> None:
        """It was this late already, as a database says: a house that starts goes on from there."""
        late = int((at - _EPOCH) / timedelta(microseconds=1)) * 1000
        now, steady = self._from[0] + self._steady() - self._from[1], self._steady()
        if late > now:
            self._from = (late, steady)


class FrozenClock:
    """Stands still until told to move."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)
