"""What the provider's endpoints and pages stand on, made once by idp.app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from base.clock import Clock
from base.cookies import Cookies
from base.database import Connection, Database
from base.dpop import Nonces
from base.fetch import Fetch
from base.i18n import ZONE
from base.ids import digest, secret
from base.limits import Slots
from base.people import LoggedIn
from base.render import Renderer
from base.settings import Settings
from consent.interface import Door, Rails
from idp import officers, requests, sessions
from idp.authenticators.passkey import RelyingParty
from idp.citizens.register import Person
from idp.clients import Client
from idp.clients.fetched import Fetched
from idp.requests import Pending
from idp.server import Server
from idp.sessions import Left, Place, Session
from idp.tokens.mint import Minter
from keys.ring import Ring

T = TypeVar("T")
BROWSER_S = 400 * 86_400
"""A browser is known for as long as browsers keep a cookie: a login from another one is told to the citizen."""


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    database: Database
    ring: Ring
    clock: Clock
    renderer: Renderer
    registry: Door
    server: Server
    minter: Minter
    slots: Slots
    cookies: Cookies
    party: RelyingParty
    fetch: Fetch
    fetched: Fetched
    nonces: Nonces

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    async def rails(self, form: Mapping[str, str]) -> Rails | None:
        """What may be asked, for a request that may ask it in so many words; for others it costs nothing."""
        asks = "authorization_details" in form or "request" in form
        return await self.registry.rails() if asks else None

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """As `database.write`, for units that authenticate a client or open its request: its keys may be elsewhere."""
        return await self.fetched.attempt(lambda: self.database.write(unit))

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """As `write`, for units that change nothing."""
        return await self.fetched.attempt(lambda: self.database.read(unit))

    def now(self) -> datetime:
        return self.clock.now()

    async def session(self, request: Request) -> Session | None:
        """The citizen's open session, if this request carries one."""
        cookie = self.cookies.read(request, self.cookies.session)
        if cookie is None:
            return None
        now = self.now()
        found = await self.database.read(lambda c: sessions.current(c, self.ring, self.settings, cookie, now))
        if found is not None and sessions.is_due(found, self.settings, now):
            await self.database.write(lambda c: sessions.see(c, found.id, now), vital=True)
        return found

    async def officer(self, request: Request) -> officers.Session | None:
        """The officer's open session, if this request carries one."""
        cookie = self.cookies.read(request, self.cookies.officer)
        if cookie is None:
            return None
        now = self.now()
        found = await self.database.read(lambda c: officers.current(c, self.settings, cookie, now))
        if found is not None and officers.is_due(found, self.settings, now):
            await self.database.write(lambda c: officers.see(c, found, now))
        return found

    async def pending(self, request: Request, handle: str) -> tuple[Pending, Client] | None:
        """The authorization request that this browser is in the middle of, with its client."""
        browser, now = self.browser_digest(request), self.now()
        return await self.database.read(lambda c: requests.resume(c, handle, browser, now))

    async def left(self, request: Request) -> Left | None:
        """The session of this request's cookie, however old."""
        cookie = self.cookies.read(request, self.cookies.session)
        if cookie is None:
            return None
        return await self.database.read(lambda c: sessions.left(c, cookie))

    def is_of_age(self, session: Session) -> bool:
        """Whether this citizen may give permission alone."""
        return self.decides_alone(session.person)

    def decides_alone(self, person: Person) -> bool:
        """Whether he has the age for it, today on people's calendars."""
        return person.has_reached(self.settings.consent_age, self.now().astimezone(ZONE).date())

    @staticmethod
    def renderer_person(session: Session) -> LoggedIn:
        """As pages know who is logged in; the registry's handle is not needed on ours."""
        return LoggedIn(
            "", session.digest, session.person.name, session.acr, session.auth_time, notices=session.notices
        )

    def place(self, request: Request, browser: str) -> Place:
        """Where a login happens. `browser`: the value of its cookie."""
        session = self.cookies.read(request, self.cookies.session)
        device = sessions.device_of(request.headers.get("user-agent", ""))
        return Place(device, digest(browser), digest(session) if session is not None else None)

    def browser(self, request: Request) -> str:
        """The cookie that ties a login attempt to its browser; a new value when there is none."""
        return self.cookies.read(request, self.cookies.browser) or secret()

    def browser_digest(self, request: Request) -> str | None:
        value = self.cookies.read(request, self.cookies.browser)
        return digest(value) if value is not None else None

    def keep_browser(self, response: Response, value: str) -> Response:
        self.cookies.put(response, self.cookies.browser, value, max_age_s=BROWSER_S)
        return response


__all__ = ["Connection", "Context"]
