"""The provider as a service: its routes and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.routing import BaseRoute

from base.clock import Clock
from base.cookies import Cookies
from base.database import Connection, Database
from base.database.cleaning import Cleaner
from base.dpop import Nonces
from base.fetch import Fetch
from base.limits import Slots
from base.outbox import Handler, Worker
from base.people import Child, LoggedIn, Officer
from base.render import Renderer
from base.settings import Settings
from base.web import Cached
from consent.interface import Door
from idp import decoupled, logouts, pages, pings, requests, revoking
from idp.authenticators.passkey import RelyingParty
from idp.citizens import account, guardianship, told
from idp.clients.fetched import Fetched
from idp.context import Context
from idp.delivering import LogoutDelivery
from idp.endpoints import (
    authorize,
    ciba,
    device,
    discovery,
    grants,
    introspect,
    logout,
    par,
    population,
    register,
    token,
    userinfo,
)
from idp.message_box import MessageBox
from idp.pings import PingDelivery
from idp.server import Server
from idp.store import cleaning, people
from idp.tokens.mint import Minter
from keys.ring import Ring

SLOTS, WAITING = 2, 16
"""Argon2 at a time, and how many may wait; the next is told to come back."""


class Provider:
    def __init__(
        self, settings: Settings, database: Database, ring: Ring, clock: Clock, renderer: Renderer, registry: Door
    ) -> None:
        fetch = Fetch(settings)
        self.context = Context(
            settings,
            database,
            ring,
            clock,
            renderer,
            registry,
            Server(),
            Minter(ring, settings),
            Slots(SLOTS, WAITING),
            Cookies(settings),
            RelyingParty.of(settings.issuer),
            fetch,
            Fetched(database, fetch, clock),
            Nonces(ring.pseudonyms.mac, required=settings.dpop_nonce_required),
        )

    def routes(self) -> list[BaseRoute]:
        parts: tuple[Any, ...] = (
            token,
            introspect,
            userinfo,
            par,
            register,
            authorize,
            device,
            ciba,
            grants,
            population,
            logout,
            pages,
        )
        return [route for part in parts for route in part.routes(self.context)]

    def documents(self) -> dict[str, Cached]:
        return discovery.documents(self.context)

    def cleaner(self) -> Cleaner:
        """Forgets what has expired, every minute."""
        context = self.context
        return Cleaner(context.database, cleaning.rules(context.settings), context.clock)

    def message_box(self) -> MessageBox | None:
        """Where letters to citizens go; None when the house has none."""
        context = self.context
        url, secret = context.settings.message_box_url, context.settings.message_box_secret
        if not url or secret is None:
            return None
        return MessageBox(context.database, context.ring, context.fetch, url=url, secret=secret.get_secret_value())

    def worker(self, handlers: Mapping[str, Handler]) -> Worker:
        """Delivers what the provider has to tell: clients of answers and ended sessions, the rest by `handlers`."""
        context = self.context
        own: dict[str, Handler] = {
            logouts.KIND: LogoutDelivery(context.database, context.minter, context.fetch, context.clock),
            pings.KIND: PingDelivery(context.database, context.ring, context.fetch, context.clock),
        }
        return Worker(context.database, {**own, **handlers}, context.clock)

    async def current(self, request: Any) -> LoggedIn | None:
        """Who is logged in, as the registry's pages may know it (base.people.CitizenSessions)."""
        session = await self.context.session(request)
        if session is None:
            return None
        handle, now = self.context.ring.pseudonyms.handle(session.citizen_id), self.context.now()
        asked = await self.context.database.read(lambda c: decoupled.waiting_for(c, handle, now))
        lodged = await self.context.registry.asked(handle)
        return LoggedIn(
            handle,
            session.digest,
            session.person.name,
            session.acr,
            session.auth_time,
            notices=session.notices,
            is_of_age=self.context.is_of_age(session),
            asked=len(asked) + len(lodged),
        )

    async def children(self, guardian: str) -> list[Child]:
        """See base.people.Guardians."""
        context = self.context
        return await context.database.read(
            lambda c: guardianship.children(c, context.ring, guardian, context.decides_alone)
        )

    async def guardians(self, children: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """See base.people.Guardians."""
        context = self.context
        return await context.database.read(
            lambda c: guardianship.guardians(c, context.ring, children, context.decides_alone)
        )

    async def grown(self, citizens: Sequence[str]) -> Sequence[str]:
        """See base.people.Guardians."""
        context = self.context
        return await context.database.read(
            lambda c: guardianship.grown(c, context.ring, citizens, context.decides_alone)
        )

    async def account(self, citizen: str) -> dict[str, Any]:
        """See base.people.Accounts."""
        context, now = self.context, self.context.now()
        return await context.database.read(lambda c: told.all_of(c, context.ring, context.settings, citizen, now))

    async def officer(self, request: Any) -> Officer | None:
        """See base.people.OfficerSessions."""
        session = await self.context.officer(request)
        if session is None:
            return None
        return Officer(session.officer.id, session.officer.name, session.officer.role, session.digest)

    async def erase(self, citizen: str) -> None:
        """See base.people.Accounts."""
        context, now = self.context, self.context.now()

        def unit(connection: Connection) -> None:
            citizen_id = people.citizen_of_handle(connection, citizen)
            if citizen_id is not None:
                account.erase(connection, context.ring, citizen_id, now, actor=citizen_id)

        await context.database.write(unit)

    async def is_callback(self, client_id: str, uri: str) -> bool:
        """See base.people.Callbacks."""
        client = await self.context.database.read(lambda c: requests.find_client(c, client_id))
        return client is not None and uri in client.redirect_uris

    async def consent_withdrawn(self, event: dict[str, Any]) -> None:
        """The registry tells that a consent has ended (its outbox, at least once): tokens that rest on it end too."""
        at = datetime.fromisoformat(event["at"])

        def unit(connection: Connection) -> None:
            citizen = people.citizen_of_handle(connection, event["citizen"])
            if citizen is not None:
                names = {name: event[name] for name in ("agency", "purpose", "category")}
                revoking.consent_ended(connection, citizen, at=at, **names)

        await self.context.database.write(unit)

    def close(self) -> None:
        self.context.slots.close()
