"""Starting the demo: the provider with the registry, and the three agencies, in one process on four ports."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from agency.client import Client
from agency.demo import insurer, municipality, tax
from agency.jose import Key
from base.settings import Settings
from regie.demo import tour
from regie.demo.seed import Ports, seed
from regie.house import House
from regie.serve import config

DATA = Path("demo-data")


def main(*, smoke: bool, codes: bool, data_dir: Path | None, as_json: bool) -> int:
    """Serve until Ctrl-C, or walk the tour and stop (`smoke`, on free ports and in a temporary directory). Exit status."""
    if codes:
        print(tour.codes(datetime.now(UTC)))
        return 0
    from base.log import quiet  # noqa: PLC0415 - only the demo silences the log

    quiet()
    if not smoke:
        return serve(data_dir or DATA, Ports())
    with tempfile.TemporaryDirectory(prefix="regie-demo-") as directory:
        return _walk(data_dir or Path(directory) / "data", as_json=as_json)


def serve(data_dir: Path, ports: Ports) -> int:
    """Serve until told to stop; the exit status."""
    wanted = (ports.provider, ports.municipality, ports.insurer, ports.tax)
    taken = [port for port in wanted if not _is_free(port)]
    if taken:
        print(f"regie: port {taken[0]} is in use; stop what listens there, then start the demo again.", file=sys.stderr)
        return 1
    settings = _settings(data_dir, ports)
    state = seed(settings, ports, lambda what: print(f"  {what} …", flush=True))
    speech = tour.language(os.environ)
    asyncio.run(_all(settings, ports, state, ready=lambda: tour.show(ports, data_dir, speech), codes=speech))
    return 0


def _walk(data_dir: Path, *, as_json: bool) -> int:
    from regie.demo.smoke import walk  # noqa: PLC0415 - only --smoke needs it

    ports = Ports(*free(4))
    settings = _settings(data_dir, ports)
    state = seed(settings, ports, lambda _: None)

    async def both() -> list[dict[str, Any]]:
        started = asyncio.Event()
        servers = asyncio.create_task(_all(settings, ports, state, ready=started.set, signals=False))
        await started.wait()
        try:
            return await asyncio.to_thread(walk, ports, as_json=as_json)
        finally:
            servers.cancel()
            await asyncio.gather(servers, return_exceptions=True)

    steps = asyncio.run(both())
    failed = [step for step in steps if not step["ok"]]
    if as_json:
        print(json.dumps({"ok": not failed, "steps": steps}, ensure_ascii=False))
    return 1 if failed else 0


async def _all(
    settings: Settings, ports: Ports, state: dict[str, Any], *, ready: Any, signals: bool = True, codes: str = ""
) -> None:
    """`codes`: the language in which a last line shows the codes of the moment; empty for none."""
    house = House.open(settings)
    apps = _agencies(settings.issuer, ports, state)
    configs = [config(settings, house.app()), *(_config(app, port) for app, port in apps)]
    servers = [_Server(one) for one in configs]
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    if signals:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, servers)
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn offers a flag and no event
        await asyncio.sleep(0.02)
    ready()
    shown = asyncio.create_task(tour.live(codes)) if codes else None
    try:
        # Waiting, unlike gathering, leaves the servers alone when the demo is told to stop: they stop in order.
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        _stop(servers)
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if shown is not None:
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True


class _Server(uvicorn.Server):
    """Four servers share the process: its signals are the demo's to handle."""

    def install_signal_handlers(self) -> None:
        """Nothing."""


def _agencies(issuer: str, ports: Ports, state: dict[str, Any]) -> list[tuple[Any, int]]:
    def client(name: str) -> Client:
        one = state[name]
        key = Key.from_pem(one["key"]) if "key" in one else None
        return Client(issuer, one["client_id"], key, one.get("secret", ""))

    sources = {"tax-authority": ports.url("tax"), "population-register": f"{issuer}/population/v1"}
    return [
        (municipality.app(client("municipality"), own=ports.url("municipality"), sources=sources), ports.municipality),
        (insurer.app(client("insurer"), own=ports.url("insurer")), ports.insurer),
        (tax.app(client("tax"), own=ports.url("tax")), ports.tax),
    ]


def _config(app: Any, port: int) -> uvicorn.Config:
    return uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, server_header=False)


def _settings(data_dir: Path, ports: Ports) -> Settings:
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return Settings(development=True, issuer=ports.url("provider"), port=ports.provider, data_dir=data_dir)


def free(count: int) -> list[int]:
    """Ports on which nothing listens at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
