"""Who used my data: every use, every denied attempt, and whether the permit was taken; newest first, page by page.

A cursor is sealed and bound to its citizen: it shows nothing of how much happens in the register, and opens nobody
else's history.
"""

from __future__ import annotations

from dataclasses import dataclass

from base.database import Connection
from consent.errors import BadCursor
from consent.store import uses
from consent.store.uses import Use
from keys.digest import b64decode, b64encode
from keys.errors import Unsealable
from keys.seal import Sealer

MAX_PAGE = 100
_MAX_CURSOR = 100
_TABLE, _COLUMN = "data_use", "cursor"


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; None shows all. `decision`: allowed or denied."""

    agency: str | None = None
    purpose: str | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`older`: the cursor of the next page, None on the last."""

    uses: tuple[Use, ...]
    older: str | None


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
    )
    older = _seal(sealer, citizen, found[limit - 1].seq) if len(found) > limit else None
    return Page(tuple(found[:limit]), older)


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
