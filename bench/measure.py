"""CPU of the server per operation, as ratios to floors of the same run. Started by bench/run.

The server runs on one core, the load (16 connections) on the other. Absolute times mean little; ratios do.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from keys import jose
from keys.ring import Ring

HERE = Path(__file__).resolve().parent.parent
FILES = HERE / "regie" / "demo"
CONNECTIONS, REQUESTS = 16, 3000
BARE = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def raw(method: str, path: str, port: int, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"host: localhost:{port}", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


async def ask(reader: Any, writer: Any, request: bytes) -> tuple[int, bytes]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


async def load(port: int, request: bytes, wanted: int, count: int) -> list[float]:
    times: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // CONNECTIONS):
            begun = time.perf_counter()
            status, body = await ask(reader, writer, request)
            times.append(time.perf_counter() - begun)
            assert status == wanted, (status, body)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return times


def measure(name: str, pid: int, port: int, request: bytes, wanted: int = 200) -> dict[str, Any]:
    asyncio.run(load(port, request, wanted, 320))
    before, begun = cpu_s(pid), time.perf_counter()
    times = sorted(asyncio.run(load(port, request, wanted, REQUESTS)))
    wall, used = time.perf_counter() - begun, cpu_s(pid) - before
    row = {"name": name, "cpu_us": round(used / len(times) * 1e6, 1), "per_s": round(len(times) / wall)}
    row |= {"p50_ms": round(times[len(times) // 2] * 1e3, 2), "p99_ms": round(times[len(times) * 99 // 100] * 1e3, 2)}
    row["memory_mib"] = memory_mib(pid)
    print(json.dumps(row), flush=True)
    return row


def start(
    command: list[str], environment: dict[str, str], port: int, path: str
) -> tuple[subprocess.Popen[bytes], float]:
    begun = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", "0", *command], env=environment, cwd=HERE, stdout=subprocess.DEVNULL)
    while time.perf_counter() < begun + 30:
        try:
            asyncio.run(load(port, raw("GET", path, port, {}), 200, CONNECTIONS))
            break
        except (OSError, asyncio.IncompleteReadError):
            time.sleep(0.02)
    return process, time.perf_counter() - begun


def floors(directory: Path) -> tuple[float, float]:
    """CPU µs of one ES256 signature over a full claim set, and of one durable commit."""
    now = datetime.now(UTC)
    ring = Ring.open(directory / "floor", bytes(32), now=now)
    claims = {
        "iss": "https://x",
        "sub": "s" * 43,
        "aud": "https://x/api",
        "iat": 1,
        "exp": 2,
        "jti": "j" * 22,
        "scope": "a b",
    }
    begun = time.process_time()
    for _ in range(2000):
        jose.sign(claims, ring.active(), typ="at+jwt")
    sign = (time.process_time() - begun) / 2000 * 1e6
    database = sqlite3.connect(directory / "floor.db", isolation_level=None)
    database.executescript("pragma journal_mode=wal; pragma synchronous=full; create table t (a text, b text)")
    begun = time.process_time()
    for _ in range(1000):
        database.execute("begin immediate")
        database.execute("insert into t values (?, ?)", ("a" * 43, "b" * 100))
        database.execute("commit")
    return sign, (time.process_time() - begun) / 1000 * 1e6


def main() -> None:
    os.sched_setaffinity(0, {1} if len(os.sched_getaffinity(0)) > 1 else os.sched_getaffinity(0))
    directory = Path(tempfile.mkdtemp(prefix="regie-bench-"))
    (directory / "bare.py").write_text(BARE)
    python, port = sys.executable, 18431
    options = (
        f"uvicorn.run('bare:app', port={port}, http='httptools', loop='uvloop', access_log=False, log_level='error')"
    )
    process, _ = start(
        [python, "-c", f"import uvicorn; {options}"], {**os.environ, "PYTHONPATH": str(directory)}, port, "/"
    )
    bare = measure("bare ASGI answer", process.pid, port, raw("GET", "/", port, {}))
    process.terminate()
    process.wait()
    sign, commit = floors(directory)
    print(json.dumps({"name": "floors", "es256_us": round(sign, 1), "commit_us": round(commit, 1)}))

    port += 1
    settings = {"REGIE_DEVELOPMENT": "true", "REGIE_PORT": str(port), "REGIE_DATA_DIR": str(directory / "data")}
    environment = {**os.environ, **settings}
    rows, first = serve(python, environment, port)
    base_us = bare["cpu_us"]
    bounds = {
        "discovery": 1.5 * base_us,
        "jwks": 1.5 * base_us,
        "client credentials": 2.5 * (base_us + sign + commit),
        "check": 6 * base_us,
    }
    print(
        f"\nFloors: bare answer {base_us} µs, ES256 {sign:.0f} µs, durable commit {commit:.0f} µs; first answer after {first:.2f} s\n"
    )
    print(f"{'operation':22}{'CPU µs':>9}{'× bare':>8}{'a second':>10}{'p50 ms':>8}{'p99 ms':>8}  bound")
    for row in rows:
        bound = bounds.get(row["name"])
        verdict = f"{bound:.0f} µs: {'within' if row['cpu_us'] <= bound else 'MISSED'}" if bound else ""
        print(
            f"{row['name']:22}{row['cpu_us']:9}{row['cpu_us'] / base_us:8.2f}{row['per_s']:10}{row['p50_ms']:8}{row['p99_ms']:8}  {verdict}"
        )


def serve(python: str, environment: dict[str, str], port: int) -> tuple[list[dict[str, Any]], float]:
    def run(*arguments: str, file: Any = None) -> Any:
        command = [python, "-m", "regie.cli", *arguments, *(["-"] if file is not None else []), "--json"]
        given = json.dumps(file) if file is not None else None
        done = subprocess.run(
            command, env=environment, cwd=HERE, input=given, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    for one in json.loads((FILES / "agencies.json").read_text()):
        run("agency", "add", file=one)
    for one in json.loads((FILES / "purposes.json").read_text()):
        run("purpose", "add", file=one)
        run("purpose", "publish", one["id"])
    scope = "consent:check consent:permit"
    members = {"agency": "municipality", "client_name": "bench", "scope": scope, "grant_types": ["client_credentials"]}
    client = run("client", "add", "--profile", "baseline", file=members)
    process, first = start([python, "-m", "regie.cli", "serve"], environment, port, "/health/live")
    try:
        basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        form = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {basic}"}
        token_request = raw(
            "POST", "/oauth2/token", port, form, urlencode({"grant_type": "client_credentials"}).encode()
        )

        async def get_token() -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            _, body = await ask(reader, writer, token_request)
            writer.close()
            return str(json.loads(body)["access_token"])

        token = asyncio.run(get_token())
        api = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        asked = {"sub": "s" * 43, "purpose": "housing-benefit", "data": ["address"]}
        check = raw("POST", "/consent/v1/checks", port, api, json.dumps(asked).encode())
        introspect = raw("POST", "/oauth2/introspect", port, form, urlencode({"token": token}).encode())
        return [
            measure("discovery", process.pid, port, raw("GET", "/.well-known/openid-configuration", port, {})),
            measure("jwks", process.pid, port, raw("GET", "/oauth2/jwks", port, {})),
            measure("client credentials", process.pid, port, token_request),
            measure("introspection", process.pid, port, introspect),
            measure("check", process.pid, port, check),
        ], first
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
