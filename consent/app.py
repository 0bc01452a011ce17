"""The registry as a service: its routes, its documents, its worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from starlette.routing import BaseRoute

from base import outbound
from base.clock import Clock
from base.database import Database
from base.fetch import Fetch
from base.outbox import Handler, Worker
from base.people import (
    Accounts,
    Callbacks,
    CitizenSessions,
    Guardians,
    NoAccounts,
    NoCallbacks,
    NoGuardians,
    OfficerSessions,
)
from base.problems import API_VERSION
from base.render import Renderer
from base.settings import Settings
from base.web import Cached
from consent import pages
from consent.api import (
    catalogue,
    checks,
    complaints,
    estonia,
    estonia_consents,
    estonia_openapi,
    event_streams,
    ledger,
    offline,
    openapi,
    permits,
    records,
    reports,
    requests,
)
from consent.callers import Callers
from consent.complaining import Complaints
from consent.dpv.records import Records
from consent.erasing import Erasing
from consent.estonia.service import ConsentService
from consent.estonia.tracker import Tracker
from consent.events.polling import Polling
from consent.events.push import Pusher
from consent.events.worker import EventWorker
from consent.freshness import Freshness
from consent.govstack import routes as govstack
from consent.letters import Letters
from consent.lodging import Lodging
from consent.offline.lists import StatusLists
from consent.pages import complaining, erasing, lodged, mine, supervisor, withdrawing
from consent.pages import custody as guarded
from consent.pages import records as record_pages
from consent.pages.custody import Custody
from consent.registry import Registry
from keys.ring import Ring


class Consent:
    def __init__(self, settings: Settings, database: Database, ring: Ring, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.ring = ring
        self.registry = Registry(database, ring, settings, clock)
        self.ledger = self.registry.ledger
        self.lodging = Lodging(self.registry)
        self.complaints = Complaints(self.registry, ring)
        self.records = Records(self.registry, ring.pseudonyms, settings.issuer)
        self.lists = StatusLists(database, ring, self.ledger.fence, settings.issuer, clock)
        self.freshness = Freshness(database, ring.pseudonyms.mac)
        self.polling = Polling(database, ring, settings.issuer, clock)
        self.pusher = Pusher(database, ring, Fetch(settings), settings.issuer, clock)
        self.event_worker = EventWorker(database, ring.pseudonyms, clock, self.pusher)
        self.callers = Callers(ring, database, settings, clock)

    body_limits: ClassVar = {
        checks.BULK: checks.BULK_BODY,
        estonia_consents.FILTER: estonia_consents.FILTER_BODY,
    }
    """Bytes of a body, by path, where it is more than elsewhere."""

    def routes(
        self,
        renderer: Renderer,
        citizens: CitizenSessions,
        callbacks: Callbacks | None = None,
        accounts: Accounts | None = None,
        officers: OfficerSessions | None = None,
        guardians: Guardians | None = None,
    ) -> list[BaseRoute]:
        """The API, the log and the pages. `citizens`, `callbacks`, `accounts`, …: what the provider knows."""
        registry, issuer, accounts = self.registry, self.settings.issuer, accounts or NoAccounts()
        custody = Custody(self.ring.pseudonyms, citizens, guardians or NoGuardians())
        return [
            *self.api(callbacks),
            *self.log(),
            *self.facades(callbacks),
            *self.govstack(),
            *pages.routes(registry, renderer, citizens, custody),
            *guarded.routes(registry, self.complaints, self.lodging, renderer, citizens, custody),
            lodged.links(self.lodging, citizens, custody),
            *lodged.routes(self.lodging, renderer, citizens),
            *record_pages.routes(self.records, citizens),
            *erasing.routes(registry, Erasing(registry, self.ring, accounts), renderer, citizens),
            *complaining.routes(registry, self.complaints, renderer, citizens),
            *withdrawing.routes(registry, self.complaints, renderer, citizens),
            *mine.routes(registry, self.complaints, self.ring, issuer, renderer, citizens, accounts),
            *(supervisor.routes(registry, renderer, officers) if officers is not None else ()),
        ]

    def api(self, callbacks: Callbacks | None = None) -> list[BaseRoute]:
        """/consent/v1, as its OpenAPI document has it; hottest first, since routes are tried in order."""
        return [
            *checks.routes(self.registry, self.callers, self.freshness),
            *permits.routes(self.registry, self.callers, self.ring.sealer, self.freshness),
            *reports.routes(self.registry, self.callers, self.ring),
            *catalogue.routes(self.registry),
            *records.routes(self.records, self.callers),
            *event_streams.routes(
                self.registry,
                self.polling,
                self.callers,
                self.ring.sealer,
                self.settings.issuer,
                partial(outbound.parsed, development=self.settings.development),
            ),
            *offline.routes(self.registry, self.callers, self.ring, self.settings.issuer),
            *complaints.routes(self.registry, self.complaints, self.callers, self.ring.sealer),
            *requests.routes(
                self.registry,
                self.lodging,
                self.callers,
                callbacks or NoCallbacks(),
                self.ring.sealer,
                self.settings.issuer,
            ),
        ]

    def govstack(self) -> list[BaseRoute]:
        """/govstack/v1, if it is on."""
        if not self.settings.govstack:
            return []
        issuer, demonstration = self.settings.issuer, self.settings.govstack_demonstration
        return list(govstack.routes(self.registry, self.callers, self.ring, self.clock, issuer, demonstration))

    def log(self) -> list[BaseRoute]:
        """/ledger, as C2SP tlog-tiles has it, and the status lists: what anyone may read."""
        return [*ledger.routes(self.ledger, self.database), *offline.public(self.lists)]

    def facades(self, callbacks: Callbacks | None = None) -> list[BaseRoute]:
        """What others' software asks in words of its own: /estonia."""
        service = ConsentService(self.registry, self.lodging, self.ring.pseudonyms)
        issuer, known = self.settings.issuer, callbacks or NoCallbacks()
        return [
            *estonia.routes(Tracker(self.registry), self.callers),
            *estonia_consents.routes(service, self.callers, known, self.ring.sealer, issuer),
        ]

    def documents(self) -> dict[str, Cached]:
        version = [(b"api-version", API_VERSION.encode())]
        api = Cached(openapi.document(self.settings.issuer, self.settings.mtls_address), extra=version)
        estonian = Cached(estonia_openapi.document(self.settings.issuer), extra=version)
        return {"/consent/v1/openapi.json": api, estonia_openapi.PATH: estonian, **ledger.documents(self.ledger)}

    def letters(self, renderer: Renderer, guardians: Guardians) -> Letters:
        issuer = self.settings.issuer
        return Letters(self.database, self.registry, renderer.translations, issuer, self.clock, guardians)

    def worker(self, handlers: Mapping[str, Handler]) -> Worker:
        """Delivers the registry's events; `handlers` by kind: consent.given, refused, withdrawn, used; request.answered, closed."""
        return Worker(self.database, handlers, self.clock)
