"""What no server can go below: a bare answer, a signature, a durable commit, and one durable write a request."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.load import measure, request, start
from idp.authenticators.password import hash_password
from keys import jose
from keys.ring import Ring

_BARE = """

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
_HOP = """
from pathlib import Path
from base.database import open_file
from bare import app as bare

database = open_file("idp", Path(__file__).parent / "hop.db", readers=1)
insert = "insert into t values (?, ?)"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        database.write_now(lambda c: c.exec_driver_sql("create table if not exists t (a text, b text)"))
    else:
        await database.write(lambda c: c.exec_driver_sql(insert, ("a" * 43, "b" * 100)))
    await bare(scope, receive, send)
"""


@dataclass
class Floors:
    """CPU in µs."""

    bare: float
    hop: float
    es256: float
    commit: float
    argon2: float


def measured(directory: Path, port: int) -> Floors:
    (directory / "bare.py").write_text(_BARE)
    (directory / "hop.py").write_text(_HOP)
    environment = {**os.environ, "PYTHONPATH": f"{directory}:{Path(__file__).resolve().parent.parent}"}
    cpu = {}
    for name, text in {"bare": "bare ASGI answer", "hop": "bare answer after a durable write"}.items():
        code = (
            f"import uvicorn; uvicorn.run('{name}:app', port={port}, http='httptools', loop='uvloop', "
            "access_log=False, log_level='error')"
        )
        process = start([sys.executable, "-c", code], environment, port)
        cpu[name] = measure(text, process, [request("GET", "/", port)], count=20_000)["cpu_us"]
        process.stop()
        port += 1
    return Floors(cpu["bare"], cpu["hop"], _signature(directory), _commit(directory), _argon2())


def _signature(directory: Path) -> float:
    """One ES256 signature over a full claim set."""
    key = Ring.open(directory / "floor", bytes(32), now=datetime.now(UTC)).active()
    claims = {"iss": "https://x", "sub": "s" * 43, "aud": "https://x/api", "iat": 1, "exp": 2, "jti": "j" * 22}
    begun = time.process_time()
    for _ in range(3000):
        jose.sign({**claims, "scope": "a b"}, key, typ="at+jwt")
    return (time.process_time() - begun) / 3000 * 1e6


def _commit(directory: Path) -> float:
    """One row, committed durably by one connection."""
    database = sqlite3.connect(directory / "floor.db", isolation_level=None)
    database.executescript("pragma journal_mode=wal; pragma synchronous=full; create table t (a text, b text)")
    begun = time.process_time()
    for _ in range(2000):
        database.execute("begin immediate")
        database.execute("insert into t values (?, ?)", ("a" * 43, "b" * 100))
        database.execute("commit")
    return (time.process_time() - begun) / 2000 * 1e6


def _argon2() -> float:
    """One password, checked."""
    begun = time.process_time()
    for _ in range(10):
        hash_password("correct horse battery staple")
    return (time.process_time() - begun) / 10 * 1e6
