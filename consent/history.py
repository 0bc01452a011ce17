"""Who used my data: every use, every denied attempt, and whether the permit was taken; newest first, page by page.

A cursor is sealed and bound to its citizen: it shows nothing of how much happens in the register, and opens nobody
else's history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from base.database import Connection
from base.i18n import ZONE
from consent.errors import BadCursor
from consent.store import lookups, uses
from consent.store.lookups import Lookup
from consent.store.uses import Use
from keys.digest import b64decode, b64encode
from keys.errors import Unsealable
from keys.seal import Sealer

MAX_PAGE = 100
_MAX_CURSOR = 100
MONTHS = 12
_TABLE, _COLUMN = "data_use", "cursor"


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; None shows all. `decision`: allowed or denied. `since`, `until`: from the one, before the other."""

    agency: str | None = None
    purpose: str | None = None
    decision: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`older`: the cursor of the next page, None on the last."""

    uses: tuple[Use, ...]
    older: str | None


@dataclass(frozen=True, slots=True)
class Month:
    """`start`: its first day, on people's clocks."""

    start: date
    allowed: int
    denied: int

    @property
    def total(self) -> int:
        return self.allowed + self.denied


@dataclass(frozen=True, slots=True)
class Overview:
    """What the filters can choose, when the oldest line is of, and the last twelve months; oldest month first. `lookups`: the newest hundred."""

    recipients: tuple[str, ...]
    purposes: tuple[str, ...]
    first: datetime | None
    months: tuple[Month, ...]
    lookups: tuple[Lookup, ...]


def page(
    connection: Connection, sealer: Sealer, citizen: str, *, before: str | None, limit: int, wanted: Filter
) -> Page:
    """One page. `before`: the cursor of the page before. BadCursor for any other text."""
    limit = max(1, min(limit, MAX_PAGE))
    place = _open(sealer, citizen, before) if before else None
    found = uses.of_citizen(
        connection,
        citizen,
        before=place,
        limit=limit + 1,
        agency=wanted.agency,
        purpose=wanted.purpose,
        decision=wanted.decision,
        since=wanted.since,
        until=wanted.until,
    )
    older = _seal(sealer, citizen, found[limit - 1].seq) if len(found) > limit else None
    return Page(tuple(found[:limit]), older)


def overview(connection: Connection, citizen: str, *, now: datetime, wanted: Filter) -> Overview:
    """The months count what `wanted` shows: the same lines as the pages of the history have."""
    starts = _months(now.astimezone(ZONE).date())
    counted = uses.counts(
        connection,
        citizen,
        [midnight(one) for one in starts],
        agency=wanted.agency,
        purpose=wanted.purpose,
        decision=wanted.decision,
        since=wanted.since,
        until=wanted.until,
    )
    months = zip(starts[:-1], counted["allowed"], counted["denied"], strict=True)
    return Overview(
        tuple(uses.recipients(connection, citizen)),
        tuple(uses.purposes(connection, citizen)),
        uses.first(connection, citizen),
        tuple(Month(*one) for one in months),
        tuple(lookups.of_citizen(connection, citizen, limit=MAX_PAGE)),
    )


def midnight(day: date) -> datetime:
    """When the day begins on people's clocks."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def _months(today: date) -> Sequence[date]:
    """The first days of the last twelve months and, as their end, of the next."""
    starts = [(today.replace(day=1) + timedelta(days=32)).replace(day=1)]
    for _ in range(MONTHS):
        starts.append((starts[-1] - timedelta(days=1)).replace(day=1))
    return starts[::-1]


def _seal(sealer: Sealer, citizen: str, seq: int) -> str:
    return b64encode(sealer.seal_system(seq.to_bytes(8, "big"), table=_TABLE, column=_COLUMN, row=citizen))


def _open(sealer: Sealer, citizen: str, cursor: str) -> int:
    if len(cursor) > _MAX_CURSOR:
        raise BadCursor
    try:
        opened = sealer.open_system(b64decode(cursor), table=_TABLE, column=_COLUMN, row=citizen)
    except (Unsealable, ValueError) as error:
        raise BadCursor from error
    return int.from_bytes(opened, "big")
