"""Write a service's first migration anew from its tables. Only while nothing is released.

Its name holds a digest of what it makes: a database of an earlier first migration is recognised, and refused in a sentence.
"""

import hashlib
import sys
from importlib import import_module

from alembic import command
from sqlalchemy import create_engine

from base.database import migrating

REVISION = "0001"


def main(service: str) -> None:
    versions = migrating.folder(service) / "versions"
    for old in versions.glob("[0-9]*.py"):
        old.unlink()
    tables = import_module(f"{service}.store.tables")
    config = migrating._config(service)  # noqa: SLF001 - its other half
    with create_engine("sqlite://").begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, f"first tables of {service}", autogenerate=True, rev_id=REVISION)
    path = next(versions.glob("0001*.py"))
    extra = getattr(tables, "MIGRATION_EXTRA", "")
    if extra:
        text = path.read_text().replace("\n\ndef downgrade", f"    {extra}\n\n\ndef downgrade")
        path.write_text(
            text.replace(
                "import base.database.types\n", "import base.database.types\nfrom migrations import append_only\n"
            )
        )
    text = path.read_text()
    name = f"{REVISION}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    path.write_text(text.replace(f"revision = {REVISION!r}", f'revision = "{name}"', 1))
    path.rename(versions / f"{REVISION}_first_tables.py")


if __name__ == "__main__":
    main(sys.argv[1])
