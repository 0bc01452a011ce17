"""POST /oauth2/device_authorization (RFC 8628 section 3.1): a device without a browser asks for a code to show."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import read_form
from idp import checks, decoupled
from idp.checks import Asked
from idp.clients.authenticate import authenticate
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.extensions import resource

PATH, VERIFICATION = "/oauth2/device_authorization", "/device"


def routes(context: Context) -> list[Route]:
    settings = context.settings

    async def device(request: Request) -> Response:
        form = resource.joined(await read_form(request, repeatable=resource.REPEATABLE))
        now = context.now()

        def unit(connection: Connection) -> tuple[str, str] | OAuthError:
            jkt = answers.claim(connection, proof, now)
            client = authenticate(
                connection, answers.presented(request, form), issuer=context.issuer, token_url=None, now=now
            )
            try:
                checks.run(checks.DEVICE, Asked(client, form, context.issuer, rails))
            except OAuthError as error:
                # Returned: the assertion that came with it stays used.
                return error
            return decoupled.begin_device(connection, context.ring, client, form, jkt=jkt, settings=settings, now=now)

        try:
            proof = answers.proof_of(request, context.nonces, now)
            rails = await context.rails(form)
            done = await context.write(unit)
        except OAuthError as error:
            return answers.refused(error)
        return answers.refused(done) if isinstance(done, OAuthError) else _answer(context, *done)

    return [Route(PATH, device, methods=["POST"])]


def _answer(context: Context, device_code: str, user_code: str) -> Response:
    address = context.issuer + VERIFICATION
    body = {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": address,
        "verification_uri_complete": f"{address}?{urlencode({'user_code': user_code})}",
        "expires_in": context.settings.decoupled_s,
        "interval": decoupled.INTERVAL_S,
    }
    return answers.json(200, body)
