"""How uvicorn listens: everybody at `port`, callers with a certificate at `mtls_port`, in the same process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from base.settings import Settings, UnsafeSettings
from base.web.proxy import anchors
from regie import tls
from regie.protocol import BoundedProtocol
from regie.renewing import RenewingContext

GRACEFUL_S = 8
"""What is under way gets this long to finish after SIGTERM."""


def options(settings: Settings) -> dict[str, Any]:
    """For `port`."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": BoundedProtocol,
        "lifespan": "on",
        **_always(settings),
    }


def check(settings: Settings) -> None:
    """UnsafeSettings for files that make no TLS, before anything listens."""
    for make in (_server_context, _mutual_context):
        make(settings)


def free(settings: Settings) -> None:
    """UnsafeSettings when nothing can listen where it is to, before anybody is told that something does."""
    for name, port in (("PORT", settings.port), ("MTLS_PORT", settings.mtls_port)):
        if not port:
            continue
        try:
            family = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)[0][0]
            socket.create_server((settings.host, port), family=family).close()
        except OSError as error:
            why = (error.strerror or str(error)).partition(" (")[0]
            raise UnsafeSettings(
                f"Nothing can listen at REGIE_HOST {settings.host}, REGIE_{name} {port}: {why}."
            ) from error


@contextlib.asynccontextmanager
async def mutual(app: ASGIApp, settings: Settings) -> AsyncGenerator[None]:
    """The application once more, at `mtls_port` if there is one, for as long as this is open."""
    if not settings.mtls_port:
        yield
        return
    listener = MutualListener(app, settings)
    await listener.start()
    try:
        yield
    finally:
        await listener.stop()


class MutualListener(uvicorn.Server):
    """Each process has its own; the kernel spreads connections over them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        more = _always(settings) | {"ssl_context_factory": partial(_made, _mutual_context(settings))}
        super().__init__(uvicorn.Config(app, http=tls.MutualProtocol, lifespan="off", **more))
        self._socket = socket.create_server(
            (settings.host, settings.mtls_port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            reuse_port=settings.workers > 1,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.serve(sockets=[self._socket]))
        while not self.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.should_exit = True
        if self._task is not None:
            await self._task

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the main server's; it stops this one."""
        yield


def _always(settings: Settings) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "loop": "uvloop",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "date_header": True,
        # X-Forwarded-* is the frame's to judge.
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACEFUL_S,
        "timeout_keep_alive": 65,
    }
    if settings.speaks_tls:
        # Made in each process: contexts do not travel.
        chosen["ssl_context_factory"] = partial(_in_process, settings.tls_certificate, settings.tls_key)
    return chosen


def _in_process(certificate: Any, key: Any, *_: object) -> ssl.SSLContext:
    return RenewingContext([certificate, key], lambda: tls.server_context(certificate, key))


def _made(context: ssl.SSLContext | None, *_: object) -> ssl.SSLContext | None:
    return context


def _server_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return tls.server_context(settings.tls_certificate, settings.tls_key)


def _mutual_context(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    files = [certificate, key, settings.tls_client_ca]
    return RenewingContext(files, lambda: tls.MutualContext(certificate, key, anchors(settings)))
