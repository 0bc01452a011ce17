"""POST /oauth2/par: pushed authorization requests (RFC 9126)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import read_form
from idp import authorization, checks, requests
from idp.checks import Asked
from idp.clients.authenticate import authenticate
from idp.clients.fetched import MissingKey
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError, UnverifiedRequest
from idp.extensions import grant_management, jar, resource

PATH = "/oauth2/par"


def routes(context: Context) -> list[Route]:
    async def par(request: Request) -> Response:
        form = resource.joined(await read_form(request, repeatable=resource.REPEATABLE))
        now = context.now()

        def unit(connection: Connection) -> str | OAuthError:
            jkt = answers.claim(connection, proof, now)
            client = authenticate(
                connection,
                answers.presented(request, form),
                issuer=context.issuer,
                token_url=None,
                now=now,
                public=True,
            )
            try:
                if "request_uri" in form:
                    raise OAuthError("invalid_request", "A pushed request is no reference to another (RFC 9126).")
                asked = jar.opened(client, form, ring=context.ring, issuer=context.issuer, now=now)
                if asked.get("dpop_jkt", jkt) != jkt and jkt is not None:
                    raise OAuthError("invalid_dpop_proof", "dpop_jkt names another key.")
                authorization.verify_target(client, asked)
                checks.run(checks.PAR, Asked(client, asked, context.issuer, rails))
                grant_management.named(connection, client.client_id, asked)
            except UnverifiedRequest:
                return OAuthError("invalid_request", "The redirect_uri is not registered for this client.")
            except MissingKey:
                raise
            except OAuthError as error:
                # Returned: the assertion that came with it stays used.
                return error
            return requests.keep(
                connection,
                client,
                asked,
                pushed=True,
                browser=None,
                jkt=jkt or asked.get("dpop_jkt"),
                life_s=context.settings.par_s,
                now=now,
            )

        try:
            proof = answers.proof_of(request, context.nonces, now)
            rails = await context.rails(form)
            done = await context.write(unit)
        except OAuthError as error:
            return answers.refused(error)
        if isinstance(done, OAuthError):
            return answers.refused(done)
        return answers.json(201, {"request_uri": requests.URN + done, "expires_in": context.settings.par_s})

    return [Route(PATH, par, methods=["POST"])]
