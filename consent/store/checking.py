"""What checks read: of many that wait together, all citizens of one agency in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select

from base.database import Connection
from base.database.prepared import Prepared
from consent.checks import Answer
from consent.store.records import ANSWER
from consent.store.tables import catalogue, consent, consent_event, subject

MOST = 32
"""Pseudonyms in one statement."""
_SIZES = (1, 8, MOST)


@dataclass(frozen=True, slots=True)
class Seen:
    """`catalogue`, `revision`: what of the register was seen. `answers`: by pseudonym and purpose, then by category."""

    catalogue: int
    revision: int
    citizens: dict[str, str]
    answers: dict[tuple[str, str], dict[str, Answer]] = field(default_factory=dict)


def _statement(size: int) -> Select[Any]:
    """Always one row at least, so that a pseudonym that nobody has costs as much as any other."""
    known = and_(
        subject.c.agency == bindparam("p_agency"), subject.c.sub.in_([bindparam(f"p_{n}") for n in range(size)])
    )
    counts = and_(consent.c.citizen == subject.c.citizen, consent.c.agency == subject.c.agency, consent.c.current)
    return select(
        catalogue.c.revision,
        select(func.max(consent_event.c.seq)).scalar_subquery().label("newest"),
        subject.c.sub,
        subject.c.citizen,
        consent.c.purpose,
        *ANSWER,
    ).select_from(catalogue.outerjoin(subject, known).outerjoin(consent, counts))


_STATEMENTS = {size: Prepared(_statement(size)) for size in _SIZES}


def see(connection: Connection, agency: str, subs: Sequence[str]) -> Seen:
    """All that checks of these citizens by this agency need. `subs`: 1 to `MOST`."""
    size = next(size for size in _SIZES if len(subs) <= size)
    values = {f"p_{n}": subs[min(n, len(subs) - 1)] for n in range(size)}
    values["p_agency"] = agency
    rows = _STATEMENTS[size].all(connection, values)
    seen = Seen(rows[0][0], rows[0][1] or 0, {}) if rows else Seen(0, 0, {})
    for _, _, sub, citizen, purpose, category, *answer in rows:
        if citizen is not None:
            seen.citizens[sub] = citizen
        if category is not None:
            seen.answers.setdefault((sub, purpose), {})[category] = Answer(*answer)
    return seen
