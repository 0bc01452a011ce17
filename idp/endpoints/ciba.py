"""POST /oauth2/bc-authorize (CIBA section 7): an agency asks a citizen whom it knows, without his browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import read_form
from idp import checks, decoupled
from idp.checks import Asked
from idp.clients import Client
from idp.clients.authenticate import authenticate
from idp.clients.fetched import MissingKey
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.extensions import ciba, resource

PATH = "/oauth2/bc-authorize"


@dataclass(frozen=True, slots=True)
class _Checked:
    """A request whose client is proven. `sub`: the citizen as its agency knows him."""

    client: Client
    form: Mapping[str, str]
    sub: str
    jkt: str | None


def routes(context: Context) -> list[Route]:
    issuer = context.issuer

    async def begin(request: Request) -> Response:
        form = resource.joined(await read_form(request, repeatable=resource.REPEATABLE))
        now = context.now()

        def unit(connection: Connection) -> _Checked | OAuthError:
            jkt = answers.claim(connection, proof, now)
            client = authenticate(connection, answers.presented(request, form), issuer=issuer, token_url=None, now=now)
            try:
                asked = ciba.opened(connection, client, form, issuer=issuer, now=now)
                checks.run(checks.CIBA, Asked(client, asked, issuer, rails))
                return _Checked(client, asked, ciba.hinted(context.ring, client, asked, issuer=issuer, now=now), jkt)
            except MissingKey:
                raise
            except OAuthError as error:
                # Returned: the assertion and the signed request that came with it stay used.
                return error

        try:
            proof = answers.proof_of(request, context.nonces, now)
            rails = await context.rails(form)
            done = await context.write(unit)
            if isinstance(done, OAuthError):
                return answers.refused(done)
            return await _begin(context, done)
        except OAuthError as error:
            return answers.refused(error)

    return [Route(PATH, begin, methods=["POST"])]


async def _begin(context: Context, one: _Checked) -> Response:
    """OAuthError unknown_user_id for a `sub` that this agency was never given."""
    now = context.now()
    citizen = await context.registry.whom(agency=one.client.agency, sub=one.sub)
    if citizen is None:
        raise ciba.unknown_user()
    done = await context.write(
        lambda c: decoupled.begin_ciba(
            c, context.ring, one.client, one.form, citizen=citizen, jkt=one.jkt, settings=context.settings, now=now
        )
    )
    if isinstance(done, OAuthError):
        raise done
    auth_req_id, life_s = done
    body = {"auth_req_id": auth_req_id, "expires_in": life_s, "interval": decoupled.INTERVAL_S}
    return answers.json(200, body)
