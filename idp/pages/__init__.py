"""The provider's pages, one question each."""

from __future__ import annotations

from starlette.routing import Route

from idp.context import Context
from idp.pages import ask, login, notices, security, sessions


def routes(context: Context) -> list[Route]:
    return [route for part in (login, ask, security, sessions, notices) for route in part.routes(context)]
