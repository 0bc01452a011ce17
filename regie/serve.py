"""`regie serve`: uvicorn with httptools and uvloop. One process on SQLite; on PostgreSQL as many as are set."""

from __future__ import annotations

import gc
import multiprocessing

import uvicorn
from uvicorn import _subprocess

from base.settings import Settings, UnsafeSettings
from base.web import Frame
from regie import listening
from regie.house import House


def run(settings: Settings) -> None:
    """Serve until told to stop. UnsafeSettings, DatabaseInUse, UnknownTables and KeysError before anything listens."""
    settings.check()
    listening.check(settings)
    if settings.workers == 1:
        house = House.open(settings)
        try:
            listening.free(settings)
        except UnsafeSettings:
            house.close()
            raise
        server = uvicorn.Server(config(settings, house.app()))
        _settle_memory()
        print(f"Regie is at {settings.issuer} (listening on {settings.host} port {settings.port})", flush=True)
        server.run()
        return
    # Whatever would stop a worker stops us here, in a sentence; and the tables are ready before any of them starts.
    House.open(settings).close()
    listening.free(settings)
    print(f"Regie is at {settings.issuer} ({settings.workers} processes on port {settings.port})", flush=True)
    # Forked from this one thread with nothing open: no worker imports again what is here, and memory is shared.
    _subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]
    uvicorn.run("regie.serve:worker", factory=True, workers=settings.workers, **listening.options(settings))


def worker() -> Frame:
    """One process of several: settings come from the environment that all share."""
    app = House.open(Settings()).app()
    _settle_memory()
    return app


def _settle_memory() -> None:
    """What is here now stays for ever: a collector that walked through it would stop all requests for a tenth of a second."""
    gc.collect()
    gc.freeze()


def config(settings: Settings, app: Frame) -> uvicorn.Config:
    return uvicorn.Config(app, **listening.options(settings))
