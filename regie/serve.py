"""`regie serve`: uvicorn with httptools and uvloop. One process on SQLite; on PostgreSQL as many as are set."""

from __future__ import annotations

from typing import Any

import uvicorn

from base.settings import Settings
from base.web import Frame
from regie.house import House
from regie.protocol import BoundedProtocol

GRACEFUL_S = 8
"""What is under way gets this long to finish after SIGTERM."""


def run(settings: Settings) -> None:
    """Serve until told to stop. UnsafeSettings, DatabaseInUse and KeysError before anything listens."""
    if settings.workers == 1:
        house = House.open(settings)
        server = uvicorn.Server(config(settings, house.app()))
        print(f"Regie is at {settings.issuer} (listening on {settings.host} port {settings.port})", flush=True)
        server.run()
        return
    # Whatever would stop a worker stops us here, in a sentence; and the tables are ready before any of them starts.
    House.open(settings).close()
    print(f"Regie is at {settings.issuer} ({settings.workers} processes on port {settings.port})", flush=True)
    uvicorn.run("regie.serve:worker", factory=True, workers=settings.workers, **_options(settings))


def worker() -> Frame:
    """One process of several: settings come from the environment that all share."""
    return House.open(Settings()).app()


def config(settings: Settings, app: Frame) -> uvicorn.Config:
    return uvicorn.Config(app, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "http": BoundedProtocol,
        "loop": "uvloop",
        "lifespan": "on",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "date_header": True,
        # X-Forwarded-* is the frame's to judge.
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACEFUL_S,
        "timeout_keep_alive": 65,
    }
