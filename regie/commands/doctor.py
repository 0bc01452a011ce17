"""`regie doctor`: what an operator wants to know before and after starting."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import timedelta
from functools import partial
from typing import Any

from base.database.migrating import is_newest
from base.database.tables import outbox
from base.settings import strangers
from consent import believed, reporting, seals
from consent.ledger.fence import COSIGNED, REASONS
from consent.store import ledger, reports
from keys import x509
from keys.errors import InvalidCertificate
from regie.commands import event_streams
from regie.commands.base import Progress
from regie.house import House

RENEW_DAYS = 14
FREE_MB = 512
ALARM_DAYS = 7
"""So long a row that was found altered is told, and longer if it still is."""


def examine(house: House, _params: dict[str, Any], _progress: Progress) -> list[dict[str, Any]]:
    """One finding each: `check`, `ok`, `detail`. Opening the house has raised what would stop a start."""
    unknown = strangers(os.environ)
    findings = [_finding("settings", ok=not unknown, detail=" ".join(unknown) or "safe")]
    keys = house.ring.list()
    active = sum(1 for key in keys if key.state == "active")
    findings.append(_finding("keys", ok=active > 0, detail=f"{active} active of {len(keys)}"))
    for name, database in house.databases.items():
        # Read as all reads are: a running server's connection for writing is taken.
        current = database.read_now(partial(is_newest, service=name))
        said = "up to date" if current else "older than this program; run: regie migrate"
        findings.append(_finding(f"{name} database", ok=current, detail=said))
        waiting, parked = database.read_now(outbox.waiting)
        findings.append(_finding(f"{name} outbox", ok=parked == 0, detail=f"{waiting} waiting, {parked} parked"))
    findings += [
        *_certificate(house),
        _ledger(house),
        *_witnesses(house),
        event_streams.finding(house),
        _reports(house),
        _altered(house),
        _disk(house),
    ]
    kind = f"SQLite {sqlite3.sqlite_version}, one process" if house.settings.is_sqlite else "PostgreSQL"
    findings.append(_finding("storage", ok=True, detail=kind))
    return findings


def _ledger(house: House) -> dict[str, Any]:
    """Whether the database still contains what left the house last."""
    reason = house.databases["consent"].read_now(house.consent.ledger.fence.prove)
    said = "contains what left the house last" if reason is None else f"{REASONS[reason]}; run: regie ledger reconcile"
    return _finding("ledger", ok=reason is None, detail=said)


def _witnesses(house: House) -> list[dict[str, Any]]:
    """Whether enough of them cosigned what was published last."""
    policy = house.consent.ledger.policy
    if not policy.witnesses:
        return []
    rows = {one["name"]: one["said"] for one in house.databases["consent"].read_now(ledger.witnesses)}
    said = {one.name: rows.get(one.name, "not asked yet") for one in policy.witnesses}
    enough = policy.holds([name for name, word in said.items() if word == COSIGNED])
    return [_finding("witnesses", ok=enough or not policy.asks, detail=", ".join(f"{k}: {v}" for k, v in said.items()))]


def _reports(house: House) -> dict[str, Any]:
    """How many uses nobody accounted for. It is the agencies' fault and not the house's: it is told, and well."""
    before = reporting.due(house.clock.now(), house.settings.report_days)
    count = house.databases["consent"].read_now(lambda c: reports.count_silent(c, before))
    said = f"{count}{' or more' if count == reports.COUNTED else ''} not reported in {house.settings.report_days} days"
    return _finding("uses", ok=True, detail=f"{said}; see: regie permit unreported" if count else said)


def _altered(house: House) -> dict[str, Any]:
    """Rows that somebody edited in the database: nothing is allowed by them."""
    since = house.clock.now() - timedelta(days=ALARM_DAYS)
    pseudonyms, database = house.ring.pseudonyms, house.databases["consent"]
    found = database.read_now(lambda c: seals.standing(c, pseudonyms, since))
    now = [f"{believed.KIND} {name}" for name in database.read_now(lambda c: believed.altered(c, pseudonyms))]
    found += [one for one in now if one not in found]
    shown = ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
    return _finding(
        "rows", ok=not found, detail=f"altered in the database: {shown}" if found else "as they were written"
    )


def _disk(house: House) -> dict[str, Any]:
    """Room for what is written: without it nothing is allowed."""
    free = shutil.disk_usage(house.settings.data_dir).free // (1024 * 1024)
    said = f"{free} MB free at {house.settings.data_dir}"
    if any(one.is_on_reserve for one in house.databases.values()):
        return _finding("disk", ok=False, detail=f"{said}: only withdrawals and logins are written. Make room")
    return _finding("disk", ok=free >= FREE_MB, detail=said if free >= FREE_MB else f"{said}: make room")


def _certificate(house: House) -> list[dict[str, Any]]:
    """How long the server's own certificate lasts."""
    file = house.settings.tls_certificate
    if file is None:
        return []
    try:
        ends = x509.first(file.read_bytes()).not_after
    except (InvalidCertificate, OSError):
        return [_finding("TLS certificate", ok=False, detail="REGIE_TLS_CERTIFICATE cannot be read")]
    left = (ends - house.clock.now()).days
    said = f"until {ends:%Y-%m-%d}, {left} days" + ("" if left >= RENEW_DAYS else "; renew it")
    return [_finding("TLS certificate", ok=left >= RENEW_DAYS, detail=said)]


def _finding(check: str, *, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "detail": detail}
