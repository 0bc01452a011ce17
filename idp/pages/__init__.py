"""The provider's pages, one question each."""

from __future__ import annotations

from starlette.routing import Route

from idp.context import Context
from idp.pages import ask, asked, confirm, device, login, notices, officers, security, select, sessions

PAGES = (login, ask, select, confirm, device, asked, security, sessions, notices, officers)


def routes(context: Context) -> list[Route]:
    return [route for page in PAGES for route in page.routes(context)]
