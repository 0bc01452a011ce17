"""supervisor report."""

from __future__ import annotations

from typing import Any

from consent.supervision import months
from consent.supervision.report import Report, Row, report
from regie.commands.base import Progress, Refused
from regie.house import House


def told(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """The figures of a month, as a supervisor sees them. The look is recorded."""
    now = house.clock.now()
    month = months.read(params["month"], now) if params["month"] else months.recent(now)
    if month is None:
        raise Refused(
            f"a month is such as 2026-10, of the last {months.OLDEST} with a whole day in them; it began before today"
        )
    database, days = house.databases["consent"], house.settings.report_days
    return _document(report(database, month, report_days=days, actor="operator", now=now))


def _document(found: Report) -> dict[str, Any]:
    month = found.month
    return {
        "month": month.name,
        "since": month.since.isoformat(),
        "until": month.until.isoformat(),
        "complete": month.is_complete,
        "total": found.total,
        "agencies": [{"agency": one.agency, **one.told} for one in found.agencies],
        "purposes": [_purpose(found, one) for one in found.purposes],
        "months": [{"month": one.name, **numbers} for one, numbers in found.months],
        "anomalies": [
            {"kind": one.kind, "agency": one.agency, "purpose": one.purpose, "share": one.share, "times": one.times}
            for one in found.anomalies
        ],
    }


def _purpose(found: Report, row: Row) -> dict[str, Any]:
    purpose = found.catalogue.shown(row.purpose)
    basis = purpose.legal_basis if purpose is not None else ""
    return {"agency": row.agency, "purpose": row.purpose, "legalBasis": basis, **row.told}


COMMANDS = {"supervisor report": told}
