"""Commands for a running server: on SQLite no second process may open the files, so the server itself runs them.

A socket in the data directory (0600), one JSON line in, JSON lines of progress and one of the result out. Whoever may
connect may read the files anyway: it is the same user.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from base.database import failures
from base.log import log
from regie.commands import COMMANDS, Refused
from regie.house import House

SOCKET = "admin.sock"
MAX_LINE = 4 * 1024 * 1024


UNANSWERED = "the server ended before it answered: see whether this was done before you give it again"


class Unanswered(Refused):
    """The command was sent, and may have been done."""


async def serve(house: House) -> asyncio.Server:
    """Listen until closed."""
    path = house.settings.data_dir / SOCKET
    path.unlink(missing_ok=True)
    old = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(lambda r, w: _answer(house, r, w), path, limit=MAX_LINE)
    finally:
        os.umask(old)


def ask(data_dir: Path, command: str, params: dict[str, Any], progress: Callable[[dict[str, Any]], None]) -> Any:
    """Have the running server do it. Refused, ConnectionError when no server listens, or Unanswered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(data_dir / SOCKET))
        try:
            connection.sendall(json.dumps({"command": command, "params": params}).encode() + b"\n")
            for line in connection.makefile():
                told = json.loads(line)
                if "progress" in told:
                    progress(told["progress"])
                elif "refused" in told:
                    raise Refused(told["refused"])
                else:
                    return told["result"]
        except ConnectionError as error:
            raise Unanswered(UNANSWERED) from error
    raise Unanswered(UNANSWERED)


async def _answer(house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        if _caller(writer) not in (0, os.getuid()):
            return
        asked = json.loads(await reader.readline())
        loop = asyncio.get_running_loop()

        def progress(told: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(_send, writer, {"progress": told})

        try:
            command = COMMANDS[asked["command"]]
            result = await asyncio.to_thread(command, house, asked["params"], progress)
        except Refused as error:
            _send(writer, {"refused": str(error)})
        else:
            _send(writer, {"result": result})
        await writer.drain()
    except Exception as error:  # noqa: BLE001 - a command that breaks must not end the server
        said = failures.sentence(error) or "the server could not do this; its log says why"
        places = [f"{place.filename}:{place.lineno}" for place in traceback.extract_tb(error.__traceback__)[-5:]]
        log.error("admin.failed", error=type(error).__name__, places=places)
        _send(writer, {"refused": said})
    finally:
        writer.close()


def _send(writer: asyncio.StreamWriter, told: dict[str, Any]) -> None:
    writer.write(json.dumps(told).encode() + b"\n")


def _caller(writer: asyncio.StreamWriter) -> int:
    """The user id of the process at the other end, as the kernel says."""
    peer = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])
