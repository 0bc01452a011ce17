"""What a reference of Estonia's consent service stands for, and under which permits a source was told of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from base.database import Connection
from consent.checks import Answer
from consent.store.records import ANSWER
from consent.store.tables import consent, estonia_validation, permit

Answers = Mapping[str, Answer]
"""By kind of data, the answers that count on one purpose; the newest last."""

VALIDATIONS = 100
"""The newest of one reference that a report is compared with."""


@dataclass(frozen=True, slots=True)
class Named:
    """The consent whose id is the reference, and all that its citizen answers on the same purpose now."""

    reference: str
    citizen: str
    agency: str
    purpose: str
    purpose_version: int
    state: str
    expires_at: datetime | None
    answers: Answers


@dataclass(frozen=True, slots=True)
class Validation:
    """What one source was told once. `signed`: the permit; it went to nobody. `told`: when it gave data, by its clock."""

    permit: str
    signed: str
    issued_at: datetime
    told: datetime | None


def named(connection: Connection, references: Collection[str]) -> dict[str, Named]:
    """By reference, those that there are; none of a citizen who is forgotten."""
    of = consent.alias("named")
    key = [consent.c[name] == of.c[name] for name in ("citizen", "agency", "purpose")]
    columns = (of.c.id, of.c.citizen, of.c.agency, of.c.purpose, of.c.purpose_version, of.c.state, of.c.expires_at)
    rows = connection.execute(
        select(*columns, *ANSWER)
        .select_from(of.outerjoin(consent, and_(*key, consent.c.current)))
        .where(of.c.id.in_(references), of.c.citizen != "")
        .order_by(consent.c.seq)
    )
    found: dict[str, Named] = {}
    answers: dict[str, dict[str, Answer]] = {}
    for row in rows:
        of_this = answers.setdefault(row[0], {})
        found.setdefault(row[0], Named(row[0], row[1], row[2], row[3], row[4], row[5], row[6], of_this))
        _add(of_this, row[7:])
    return found


def of_citizen(connection: Connection, citizen: str, agency: str, purposes: Collection[str]) -> Mapping[str, Answers]:
    """By purpose, of those that have an answer."""
    where = (consent.c.citizen == citizen, consent.c.agency == agency, consent.c.purpose.in_(purposes))
    rows = connection.execute(
        select(consent.c.purpose, *ANSWER).where(*where, consent.c.current).order_by(consent.c.seq)
    )
    found: dict[str, dict[str, Answer]] = {}
    for row in rows:
        _add(found.setdefault(row[0], {}), row[1:])
    return found


def add_validation(
    connection: Connection, permit_id: str, reference: str, signed: str, *, now: datetime, until: datetime
) -> None:
    """Kept until then: those that are over go."""
    connection.execute(delete(estonia_validation).where(estonia_validation.c.until <= now))
    row = {"permit": permit_id, "reference": reference, "signed": signed, "until": until}
    connection.execute(insert(estonia_validation), row)


def validations(connection: Connection, reference: str, source: str) -> list[Validation]:
    """What this source was told of this reference, newest first; held until commit, so that reports come one by one."""
    told = estonia_validation.join(permit, permit.c.id == estonia_validation.c.permit)
    rows = connection.execute(
        select(permit.c.id, estonia_validation.c.signed, permit.c.issued_at, estonia_validation.c.told)
        .select_from(told)
        .where(estonia_validation.c.reference == reference, permit.c.source == source)
        .order_by(permit.c.issued_at.desc(), permit.c.id)
        .limit(VALIDATIONS)
        .with_for_update(of=estonia_validation)
    )
    return [Validation(*row) for row in rows]


def report(connection: Connection, permit_id: str, told: datetime) -> None:
    """Data was given under this one, then."""
    connection.execute(update(estonia_validation).where(estonia_validation.c.permit == permit_id).values(told=told))


def _add(answers: dict[str, Answer], row: Any) -> None:
    category, *answer = row
    if category is not None:
        answers[category] = Answer(*answer)
