"""The provider's pages, one question each."""

from __future__ import annotations

from starlette.routing import Route

from idp.context import Context
from idp.pages import ask, confirm, device, login, security, select


def routes(context: Context) -> list[Route]:
    return [
        *login.routes(context),
        *ask.routes(context),
        *select.routes(context),
        *confirm.routes(context),
        *device.routes(context),
        *security.routes(context),
    ]
