"""POST /oauth2/token (RFC 6749 section 3.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.binding import JKT, Binding
from base.database import Connection
from base.forms import read_form
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.server import TOKEN_PATH, Answer
from idp.unit import Request as OAuth2Request
from idp.unit import Unit


def routes(context: Context) -> list[Route]:
    url = context.issuer + TOKEN_PATH

    async def token(request: Request) -> Response:
        form = await read_form(request)
        now = context.now()

        def unit(connection: Connection) -> Answer:
            jkt = answers.claim(connection, proof, now)
            binding = Binding(JKT, jkt) if jkt is not None else None
            work = Unit(connection, context.settings, context.minter, now, answers.presented(request, form), binding)
            return context.server.token(OAuth2Request("POST", url, request.headers, form, work))

        try:
            proof = answers.proof_of(request, context.nonces, now)
            status, body = await context.write(unit)
        except OAuthError as error:
            return answers.refused(error)
        return answers.json(status, body, answers.next_nonce(context.nonces, proof, now))

    return [Route(TOKEN_PATH, token, methods=["POST"])]
