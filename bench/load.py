"""Load over raw sockets, and what the server spent on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 16
HERE = Path(__file__).resolve().parent.parent


@dataclass
class Process:
    """A server on the first core. `first_s`: seconds from its start to its first answer."""

    popen: subprocess.Popen[bytes]
    port: int
    first_s: float = 0.0

    def cpu_us(self) -> float:
        """Time on the processor of all threads so far; the kernel counts nanoseconds."""
        tasks = Path(f"/proc/{self.popen.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1000

    def memory_mib(self) -> int:
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 2**20

    def stop(self) -> None:
        self.popen.terminate()
        self.popen.wait(20)


def start(command: list[str], environment: Mapping[str, str], port: int, path: str = "/") -> Process:
    begun = time.perf_counter()
    pinned = ["taskset", "-c", "0", *command] if (os.cpu_count() or 1) > 1 else command
    with tempfile.TemporaryFile() as said:
        process = Process(subprocess.Popen(pinned, env=environment, cwd=HERE, stdout=said, stderr=said), port)
        while time.perf_counter() < begun + 30:
            try:
                asyncio.run(_send(port, [request("GET", path, port)], 200, 1))
            except (OSError, asyncio.IncompleteReadError):
                if process.popen.poll() is not None:
                    said.seek(0)
                    sys.exit(f"{command} ended with status {process.popen.returncode}: {said.read().decode()}")
                time.sleep(0.01)
            else:
                process.first_s = time.perf_counter() - begun
                return process
    sys.exit(f"{command} did not answer")


def request(method: str, path: str, port: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"host: localhost:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> tuple[int, bytes]:
    writer.write(raw)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return int(head[9:12]), body
    lines = head.split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return int(head[9:12]), await reader.readexactly(length)


def answer(port: int, raw: bytes) -> tuple[int, bytes]:
    async def once() -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await ask(reader, writer, raw)
        finally:
            writer.close()

    return asyncio.run(once())


async def _send(port: int, requests: Iterable[bytes], wanted: int, connections: int) -> list[float]:
    times: list[float] = []
    waiting = iter(requests)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for raw in waiting:
                begun = time.perf_counter()
                status, body = await ask(reader, writer, raw)
                times.append(time.perf_counter() - begun)
                if status != wanted:
                    sys.exit(f"{raw.splitlines()[0]!r} was answered with {status}: {body[:300]!r}")
        finally:
            writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return times


def measure(name: str, process: Process, requests: list[bytes], *, count: int = 0, wanted: int = 200) -> dict[str, Any]:
    """Send `requests`, or the one request `count` times after a tenth as many to warm up; one JSON line."""
    if count:
        warm_up(process, requests * (count // 10), wanted=wanted)
        requests = requests * count
    before, begun = process.cpu_us(), time.perf_counter()
    times = asyncio.run(_send(process.port, requests, wanted, CONNECTIONS))
    return row(name, process, process.cpu_us() - before, time.perf_counter() - begun, times)


def warm_up(process: Process, requests: list[bytes], *, wanted: int = 200) -> None:
    asyncio.run(_send(process.port, requests, wanted, CONNECTIONS))


def row(name: str, process: Process, cpu_us: float, wall_s: float, times: list[float]) -> dict[str, Any]:
    times = sorted(times)
    found = {
        "name": name,
        "cpu_us": round(cpu_us / len(times), 1),
        "per_s": round(len(times) / wall_s),
        "p50_ms": round(times[len(times) // 2] * 1e3, 2),
        "p99_ms": round(times[len(times) * 99 // 100] * 1e3, 2),
        "memory_mib": process.memory_mib(),
    }
    print(json.dumps(found), flush=True)
    return found
