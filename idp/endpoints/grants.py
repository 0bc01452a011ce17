"""GET and DELETE /oauth2/grants/{grant_id}: Grant Management for OAuth 2.0 section 6, with the client's own access token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base import certificates
from base.database import Connection
from idp import bearer, managing_grants
from idp.clients import Client
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.managing_grants import ManagedGrant
from idp.scopes import GRANTS_API

PATH = GRANTS_API + "/{grant_id}"


def routes(context: Context) -> list[Route]:
    async def query(request: Request) -> Response:
        try:
            client, grant = await _named(context, request, "grant_management_query")
        except OAuthError as error:
            return answers.refused(error)
        return answers.json(200, await managing_grants.content(context, client, grant))

    async def revoke(request: Request) -> Response:
        try:
            client, grant = await _named(context, request, "grant_management_revoke")
        except OAuthError as error:
            return answers.refused(error)
        await managing_grants.end(context, client, grant)
        return Response(status_code=204, headers={"cache-control": "no-store"})

    return [Route(PATH, query, methods=["GET"]), Route(PATH, revoke, methods=["DELETE"])]


async def _named(context: Context, request: Request, scope: str) -> tuple[Client, ManagedGrant]:
    """The calling client and its grant. OAuthError: 401, 403 insufficient_scope, 404 for what is not this client's."""
    grant_id, audience = request.path_params["grant_id"], context.issuer + GRANTS_API
    scheme, _, token = (answers.authorization(request) or "").partition(" ")
    if not token:
        raise OAuthError("invalid_token", "An access token is needed.", status=401, challenge="Bearer")
    now = context.now()
    claims = bearer.verified(context.ring, token, issuer=context.issuer, audience=audience, now=now)
    proof = answers.proof_of(request, context.nonces, now, access_token=token)
    bearer.check_binding(claims, scheme, proof, certificates.shown(request.scope))
    if scope not in claims["scope"].split():
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise OAuthError("insufficient_scope", "The token lacks the scope for this.", status=403, challenge=challenge)

    def unit(connection: Connection) -> tuple[Client, ManagedGrant | None]:
        answers.claim(connection, proof, now, access_token=token)
        client = bearer.owner(connection, claims)
        return client, managing_grants.find(connection, grant_id, client.client_id)

    client, grant = await context.database.write(unit)
    if grant is None:
        raise OAuthError("invalid_request", "There is no such grant of this client.", status=404)
    return client, grant
