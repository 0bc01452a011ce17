"""POST /oauth2/token (RFC 6749 section 3.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.binding import JKT, Binding
from base.database import Connection
from base.forms import read_form
from idp import granting
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.extensions import resource
from idp.server import TOKEN_PATH, Answer
from idp.unit import Asks, Unit
from idp.unit import Request as OAuth2Request


def routes(context: Context) -> list[Route]:
    url = context.issuer + TOKEN_PATH

    async def token(request: Request) -> Response:
        form = resource.joined(await read_form(request, repeatable=resource.REPEATABLE))
        now, worked = context.now(), list[Unit]()

        def work(connection: Connection, jkt: str | None) -> Unit:
            binding = Binding(JKT, jkt) if jkt is not None else None
            presented = answers.presented(request, form)
            worked.append(Unit(connection, context.settings, context.minter, now, presented, binding))
            return worked[-1]

        def unit(connection: Connection) -> Answer:
            jkt = answers.claim(connection, proof, now)
            return context.server.token(OAuth2Request("POST", url, request.headers, form, work(connection, jkt)))

        try:
            proof = answers.proof_of(request, context.nonces, now)
            status, body = await context.write(unit)
            if isinstance(body, Asks):
                asked, jkt = body, proof.jkt if proof is not None else None
                said = await asked.ask(context.registry)
                status, body = await context.write(lambda c: context.server.finish(asked, work(c, jkt), said))
        except OAuthError as error:
            return answers.refused(error)
        assert not isinstance(body, Asks)
        if worked[-1].granted is not None:
            details = await granting.allowed(context, *worked[-1].granted, body["authorization_details"])
            body = {**body, "authorization_details": details}
        return answers.json(status, body, answers.next_nonce(context.nonces, proof, now))

    return [Route(TOKEN_PATH, token, methods=["POST"])]
