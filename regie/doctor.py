"""`regie doctor`: what an operator wants to know before and after starting."""

from __future__ import annotations

import sqlite3
from typing import Any

from base.database.tables import outbox
from base.settings import Settings
from consent.ledger.fence import REASONS
from regie.house import House


def examine(settings: Settings) -> list[dict[str, Any]]:
    """One finding each: `check`, `ok`, `detail`. Raises what would stop a start."""
    house = House.open(settings)
    try:
        findings = [_finding("settings", ok=True, detail="safe")]
        keys = house.ring.list()
        active = sum(1 for key in keys if key.state == "active")
        findings.append(_finding("keys", ok=active > 0, detail=f"{active} active of {len(keys)}"))
        for name, database in house.databases.items():
            current = database.is_migrated()
            said = "up to date" if current else "older than this program; run: regie migrate"
            findings.append(_finding(f"{name} database", ok=current, detail=said))
            waiting, parked = database.read_now(outbox.waiting)
            findings.append(_finding(f"{name} outbox", ok=parked == 0, detail=f"{waiting} waiting, {parked} parked"))
        reason = house.databases["consent"].read_now(house.consent.ledger.fence.prove)
        said = (
            "contains what left the house last" if reason is None else f"{REASONS[reason]}; run: regie ledger reconcile"
        )
        findings.append(_finding("ledger", ok=reason is None, detail=said))
        kind = f"SQLite {sqlite3.sqlite_version}, one process" if settings.is_sqlite else "PostgreSQL"
        findings.append(_finding("storage", ok=True, detail=kind))
        return findings
    finally:
        house.close()


def _finding(check: str, *, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "detail": detail}
