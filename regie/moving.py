"""`regie move`: a house that has outgrown SQLite goes on on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from base.database import open_database
from base.database.moving import NotEmpty, move
from base.settings import Settings
from consent.store import tables as consent_tables
from idp.store import tables as idp_tables
from regie.house import House
from regie.refusal import Refused

SERVICES = (("idp", idp_tables.metadata), ("consent", consent_tables.metadata))


def run(settings: Settings) -> dict[str, Any]:
    """Move, prove that nothing is missing, and put the files aside. Refused, and what `House.open` raises."""
    settings.check()
    directory = settings.data_dir
    if settings.is_sqlite:
        raise Refused("say where everything is to go: set REGIE_DATABASE_URL to an empty PostgreSQL database")
    files = [directory / f"{service}.db" for service, _ in SERVICES]
    if not all(one.exists() for one in files):
        raise Refused(f"there is no SQLite database in {directory}: set REGIE_DATA_DIR to where it is")
    # Brought up to date, with the keys that it was made with.
    House.open(settings.model_copy(update={"database_url": "", "workers": 1})).close()
    for service, _ in SERVICES:
        database = open_database(service, settings)
        database.migrate()
        database.close()
    try:
        rows = move(SERVICES, directory, settings.database_url)
    except NotEmpty as error:
        raise Refused(str(error)) from error
    house = House.open(settings)
    try:
        reason = house.databases["consent"].read_now(house.consent.ledger.fence.prove)
    finally:
        house.close()
    if reason is not None:
        raise Refused(
            f"the ledger in PostgreSQL does not contain what left the house ({reason}); the files are as they were"
        )
    return {"rows": rows, "kept": [str(_aside(one)) for one in files]}


def _aside(path: Path) -> Path:
    """So that no server starts on them by mistake: that would be a second history of the same house."""
    for log in ("-wal", "-shm"):
        if (one := path.with_name(path.name + log)).exists():
            one.rename(path.with_name(f"{path.name}.moved{log}"))
    return path.rename(path.with_name(f"{path.name}.moved"))
