"""The citizen's pages on consent, a module for each."""

from __future__ import annotations

from starlette.routing import Route

from base.people import CitizenSessions
from base.render import Renderer
from consent.pages import checking, consents, everything, history, overview, receipts
from consent.pages.custody import Custody
from consent.registry import Registry

_PAGES = (consents, history, receipts, checking, everything)


def routes(registry: Registry, renderer: Renderer, citizens: CitizenSessions, custody: Custody) -> list[Route]:
    others = [one for page in _PAGES for one in page.routes(registry, renderer, citizens)]
    return [*overview.routes(registry, renderer, citizens, custody), *others]
