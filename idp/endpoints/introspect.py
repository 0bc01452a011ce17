"""POST /oauth2/introspect (RFC 7662) and POST /oauth2/revoke (RFC 7009): both need client authentication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import read_form
from idp import bearer, revoking
from idp.clients import Client
from idp.clients.authenticate import authenticate
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError

INTROSPECT, REVOKE = "/oauth2/introspect", "/oauth2/revoke"


def routes(context: Context) -> list[Route]:
    def introspect(connection: Connection, token: str, client: Client, now: datetime) -> dict[str, Any]:
        return bearer.introspect(connection, context.ring, token, client, issuer=context.issuer, now=now)

    def revoke(connection: Connection, token: str, client: Client, now: datetime) -> dict[str, Any]:
        revoking.revoke(connection, context.ring, token, client, issuer=context.issuer, now=now)
        return {}

    return [
        Route(INTROSPECT, _endpoint(context, introspect), methods=["POST"]),
        Route(REVOKE, _endpoint(context, revoke), methods=["POST"]),
    ]


def _endpoint(context: Context, act: Callable[[Connection, str, Client, datetime], dict[str, Any]]) -> Any:
    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        now = context.now()

        def unit(connection: Connection) -> dict[str, Any] | OAuthError:
            client = authenticate(
                connection,
                answers.presented(request, form),
                issuer=context.issuer,
                token_url=None,
                now=now,
                # Ending a token harms nobody but who holds it (RFC 7009 section 2.1).
                public=act.__name__ == "revoke",
            )
            if not form.get("token"):
                return OAuthError("invalid_request", "token is missing.")
            return act(connection, form["token"], client, now)

        try:
            # A secret leaves no trace, so introspection with one is a read; an assertion is used up.
            reads = act.__name__ == "introspect" and "client_assertion" not in form
            done = await (context.read(unit) if reads else context.write(unit))
        except OAuthError as error:
            return answers.refused(error)
        return answers.refused(done) if isinstance(done, OAuthError) else answers.json(200, done)

    return endpoint
