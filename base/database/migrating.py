"""Running Alembic's migrations from the program, one branch per service: migrations/idp, migrations/consent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

_REVISION = re.compile(r"^revision = [\"']([^\"']+)[\"']$", re.MULTILINE)

if TYPE_CHECKING:
    from alembic.config import Config


class UnknownTables(Exception):
    """The tables are of a version that this program does not know; the message says what to do."""


def upgrade(engine: Engine, service: str) -> None:
    """To the newest version, in one transaction; a process that dies leaves the old version whole. UnknownTables."""
    from alembic import command  # noqa: PLC0415 - a start on a current database must not wait for Alembic

    with _transaction(engine, service) as connection:
        config = _config(service)
        found = _version(connection, service)
        if found is not None and found not in _revisions(service):
            raise UnknownTables(
                f"The {service} database has tables of version {found}, which this program does not know: they are of a "
                "newer one, or of one that was never released. Run the program that made them, or start with another "
                "REGIE_DATA_DIR or REGIE_DATABASE_URL; nothing was changed."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(engine: Engine, service: str) -> bool:
    """Before anything else is done with the database: see `is_newest`."""
    with engine.connect() as connection:
        return is_newest(connection, service)


def is_newest(connection: Connection, service: str) -> bool:
    """Whether the tables are of the newest version. Reads two lines, without Alembic."""
    return _version(connection, service) == _revisions(service)[-1]


def _version(connection: Connection, service: str) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version", schema=_schema(connection, service)):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _revisions(service: str) -> list[str]:
    """All that this program knows, the newest last: a file is named after its place and says its own name."""
    files = sorted(folder(service).glob("versions/[0-9]*.py"))
    return [_REVISION.findall(file.read_text())[0] for file in files]


def folder(service: str) -> Path:
    spec = find_spec("migrations")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / service


@contextmanager
def _transaction(engine: Engine, service: str) -> Iterator[Connection]:
    with engine.begin() as connection:
        if engine.dialect.name != "sqlite":
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service}"))
            connection.execute(text("CREATE TABLE IF NOT EXISTS migrating (one INTEGER PRIMARY KEY)"))
            # Two workers that start together: the second waits here until the first has committed.
            connection.execute(text("LOCK TABLE migrating IN EXCLUSIVE MODE"))
        yield connection


def _schema(connection: Connection, service: str) -> str | None:
    return None if connection.dialect.name == "sqlite" else service


def _config(service: str) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see upgrade

    config = Config()
    config.set_main_option("script_location", str(folder(service)).replace("%", "%%"))
    config.attributes["service"] = service
    return config
