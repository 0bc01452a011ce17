"""How a request ends: back at the client, or, if it began without this browser, on a page of ours; the client then polls."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.problems import Problem
from idp import authorization, managing_grants, requests
from idp.clients import Client
from idp.context import Context
from idp.decoupled import CIBA, DEVICE
from idp.endpoints import steps
from idp.endpoints.responses import refuse, respond
from idp.errors import OAuthError
from idp.requests import Pending
from idp.sessions import Session

PAGES = {DEVICE: "/device", CIBA: "/my/requests"}
"""Where a citizen is told how it ended."""


async def granted(context: Context, request: Request, pending: Pending, client: Client, session: Session) -> Response:
    """The citizen is who is meant, and has answered all. OAuthError when the grant it amends has ended meanwhile."""
    now = context.now()
    # The registry must know whom this agency means before the agency does.
    handle = context.ring.pseudonyms.handle(session.citizen_id)
    await context.registry.meet(citizen=handle, agency=client.agency)
    if pending.decoupled is not None:
        if not await context.database.write(lambda c: requests.allow(c, pending, client, session, now)):
            raise Problem(400)
        return _page(pending, "allowed")
    target = authorization.verify_target(client, pending.parameters)
    await managing_grants.replaced(context, pending, client)
    code = await context.database.write(
        lambda c: requests.grant(c, pending, client, target, session, context.settings, now)
    )
    if code is None:
        raise Problem(400)
    return respond(context, request, client, target, pending.parameters, {"code": code})


async def refused(
    context: Context, request: Request, pending: Pending, client: Client, session: Session | None, error: OAuthError
) -> Response:
    """The request ends with an error for the client.

    What began elsewhere is refused by the citizen whom it means, and by nobody else: it waits on.
    """
    now = context.now()
    if pending.decoupled is not None:
        if session is None or not await steps.is_meant(context, pending, client, session):
            return _page(pending, "other")
        if not await context.database.write(lambda c: requests.refuse(c, pending, now)):
            raise Problem(400)
        return _page(pending, "refused" if error.error == "access_denied" else "impossible")
    target = authorization.verify_target(client, pending.parameters)
    if not await context.database.write(lambda c: requests.end(c, pending, now)):
        raise Problem(400)
    return refuse(context, request, client, target, pending.parameters, error)


def _page(pending: Pending, how: str) -> Response:
    assert pending.decoupled is not None
    return RedirectResponse(f"{PAGES[pending.decoupled.kind]}?{how}=1", 303)
