"""The house: both services on their databases, in one application.

Nothing else knows both: the provider gets the registry's door, the registry gets to know who is logged in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.clock import Clock, SystemClock
from base.database import Database, open_database
from base.database.belonging import belongs
from base.log import log
from base.problems import Problem
from base.render import Renderer
from base.settings import Settings, UnsafeSettings
from base.web import Frame, frame
from consent.app import Consent
from consent.store import auditing
from idp import notices
from idp.app import Provider
from keys.digest import b64encode
from keys.errors import KeysError
from keys.files import is_private, private_directory
from keys.kek import load_kek
from keys.ring import Ring
from regie import listening
from regie.post import Post

HERE = Path(__file__).resolve().parent.parent
TEMPLATES = (HERE / "idp" / "pages" / "templates", HERE / "consent" / "pages" / "templates")


class House:
    def __init__(self, settings: Settings, clock: Clock, ring: Ring, idp: Database, consent: Database) -> None:
        self.settings = settings
        self.clock = clock
        self.ring = ring
        self.databases = {"idp": idp, "consent": consent}
        self.renderer = Renderer(TEMPLATES, settings, mac=ring.pseudonyms.mac)
        self.consent = Consent(settings, consent, ring, clock)
        self.provider = Provider(settings, idp, ring, clock, self.renderer, self.consent.registry)
        letters = self.consent.letters(self.renderer, self.provider)
        self.post = Post(letters, self.provider.message_box(), consent, clock)

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> House:
        """Open keys and databases; an empty or older database is migrated.

        UnsafeSettings, DatabaseInUse, UnknownTables or KeysError, each with a sentence for the operator.
        """
        settings.check()
        machine = SystemClock()
        told = clock or machine
        private_directory(settings.data_dir)
        if not is_private(settings.data_dir):
            raise UnsafeSettings(
                f"{settings.data_dir} can be entered by others than its owner; run: chmod 700 {settings.data_dir}"
            )
        kek = settings.kek.get_secret_value() if settings.kek is not None else None
        keys = settings.data_dir / "keys"
        ring = Ring.open(keys, load_kek(kek, settings.data_dir / "kek", keys), now=told.now())
        idp = open_database("idp", settings)
        try:
            consent = open_database("consent", settings)
        except BaseException:
            idp.close()
            raise
        try:
            for database in (idp, consent):
                if not database.is_migrated():
                    database.migrate()
                if not belongs(database, b64encode(ring.pseudonyms.mac("house", database.name.encode()))):
                    raise KeysError(
                        f"The {database.name} database was made with other keys than those in {keys}: set REGIE_DATA_DIR "
                        "to where its own are, or put them back from your backup; nothing was changed in it."
                    )
            newest = consent.read_now(auditing.newest)
            if newest is not None:
                # The machine may have been set back while the house was closed: what expired stays expired.
                machine.not_before(newest)
        except BaseException:
            idp.close()
            consent.close()
            raise
        return cls(settings, told, ring, idp, consent)

    def app(self) -> Frame:
        """The ASGI application, framed."""
        app = FastAPI(openapi_url=None, lifespan=self._lifespan)
        app.router.routes.clear()
        # Hot endpoints are Starlette routes: FastAPI's own cost three times as much.
        knows = self.provider
        app.router.routes.extend(knows.routes())
        app.router.routes.extend(
            self.consent.routes(self.renderer, knows, callbacks=knows, accounts=knows, officers=knows, guardians=knows)
        )
        app.router.routes.extend([Route("/health/live", self._live), Route("/health/ready", self._ready)])
        documents = {**self.provider.documents(), **self.consent.documents()}
        self._frame = frame(
            app,
            self.settings,
            cached=documents,
            body_limits=self.consent.body_limits,
            renderer=self.renderer,
            clock=self.clock,
        )
        return self._frame

    def close(self) -> None:
        """Finish what waits, then close."""
        self.provider.close()
        for database in self.databases.values():
            database.close()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        told = dict.fromkeys(
            ("consent.given", "consent.refused", "consent.used", "request.answered", "request.closed"), _told
        )
        worker = self.consent.worker(self.post.handlers({**told, "consent.withdrawn": self._withdrawn}))
        parts = (
            worker,
            self.post,
            self.consent.event_worker,
            self.provider.worker({notices.KIND: _told_of_login}),
            self.provider.cleaner(),
        )
        for database in self.databases.values():
            # From here on there is room on the disk for what is vital.
            await database.touch()
        await self.consent.ledger.start()
        for one in parts:
            one.start()
        # Imported here: the commands know the house.
        from regie import admin  # noqa: PLC0415

        server = await admin.serve(self) if self.settings.is_sqlite else None
        try:
            async with listening.mutual(self._frame, self.settings):
                yield
        finally:
            if server is not None:
                server.close()
            for one in parts:
                await one.stop()
            await self.consent.ledger.stop()
            self.close()

    async def _withdrawn(self, payload: dict[str, Any]) -> None:
        await self.provider.consent_withdrawn(payload)
        await _told(payload)

    async def _live(self, _request: Request) -> Response:
        """The process answers."""
        return _healthy()

    async def _ready(self, _request: Request) -> Response:
        """Both databases take a write, and a key signs. On a full disk it is, since it takes withdrawals, and says so."""
        try:
            for database in self.databases.values():
                await database.touch()
            self.ring.active().sign(b"ready")
        except Exception as error:
            raise Problem(503, "Not ready.") from error
        return _healthy("full" if any(one.is_on_reserve for one in self.databases.values()) else "")


def _healthy(disk: str = "") -> Response:
    """`disk`: what is the matter with it."""
    body = {"status": "ok"} | ({"disk": disk} if disk else {})
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers)


async def _told(payload: dict[str, Any]) -> None:
    """An event of the register has left the outbox: here it is told to the operator's log, with ids alone."""
    log.info("consent.event", consent=payload.get("consent"))


async def _told_of_login(payload: dict[str, Any]) -> None:
    """A citizen was told something of his login, on his own pages; here it is told to the operator's log, by its kind."""
    log.info("citizen.told", kind=payload["kind"])
