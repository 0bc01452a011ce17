"""GET and POST /oauth2/userinfo (OpenID Connect Core section 5.3): `sub`, and what the registry lets go now.

Each claim beyond `sub` is a use of personal data: it is recorded before the answer leaves, and the citizen sees it.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base import certificates
from base.database import Connection
from base.forms import read_form
from consent.interface import LoginEvent, LoginTooWeak
from idp import bearer
from idp.authorization import categories_asked
from idp.bearer import Known
from idp.citizens.claims import claims_of
from idp.clients import Client
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.extensions import rar
from idp.scopes import USERINFO
from idp.tokens import responses


def routes(context: Context) -> list[Route]:
    url = context.issuer + USERINFO

    async def userinfo(request: Request) -> Response:
        try:
            known = await _caller(context, request, url)
            # Before anything is released, and recorded as used: whether it can be told at all.
            responses.key_for(known.client, responses.USERINFO)
            return _told(context, known.client, await _release(context, known))
        except OAuthError as error:
            return answers.refused(error)
        except LoginTooWeak as weak:
            return answers.refused(step_up(weak, "DPoP" if "dpop" in request.headers else "Bearer"))

    return [Route(USERINFO, userinfo, methods=["GET", "POST"])]


def step_up(weak: LoginTooWeak, scheme: str) -> OAuthError:
    """What the client should ask for at the authorization endpoint, and come back with (RFC 9470 section 3)."""
    description = "A stronger or fresher login is needed."
    challenge = f'{scheme} error="insufficient_user_authentication", error_description="{description}"'
    if weak.acr:
        challenge += f', acr_values="{weak.acr}"'
    if weak.max_age_s is not None:
        challenge += f', max_age="{weak.max_age_s}"'
    return OAuthError("insufficient_user_authentication", description, status=401, challenge=challenge)


async def _caller(context: Context, request: Request, url: str) -> Known:
    """Whose token this is. The proof is claimed in the same unit; without one it is a read."""
    scheme, _, token = (await _presented(request)).partition(" ")
    if not token:
        raise OAuthError("invalid_token", "An access token is needed.", status=401, challenge="Bearer")
    now = context.now()
    claims = bearer.verified(context.ring, token, issuer=context.issuer, audience=url, now=now)
    proof = answers.proof_of(request, context.nonces, now, access_token=token)
    bearer.check_binding(claims, scheme, proof, certificates.shown(request.scope))

    def unit(connection: Connection) -> Known:
        answers.claim(connection, proof, now, access_token=token)
        return bearer.known(connection, context.ring, claims)

    if proof is None:
        return await context.database.read(unit)
    return await context.database.write(unit)


async def _presented(request: Request) -> str:
    """As an Authorization header has it; a bearer token may come in a form, and none ever in the address (RFC 6750 section 2)."""
    header = answers.authorization(request) or ""
    if request.method != "POST" or not request.headers.get("content-type"):
        return header
    token = (await read_form(request)).get("access_token", "")
    if token and header:
        raise OAuthError("invalid_request", "The access token came in two ways (RFC 6750 section 2).")
    return header or f"Bearer {token}"


async def _release(context: Context, known: Known) -> dict[str, Any]:
    family, client = known.family, known.client
    answer: dict[str, Any] = {"sub": context.minter.sub(family.citizen, client)}
    details = rar.uses(family.details)
    by_scope = categories_asked(family.scope, {"userinfo": family.claims.get("userinfo", {})})
    purpose = client.purpose or (details[0].purpose if details else None)
    if not by_scope or purpose is None:
        return answer
    released = await context.registry.release(
        citizen=context.ring.pseudonyms.handle(family.citizen),
        agency=client.agency,
        purpose=purpose,
        categories=by_scope,
        login=LoginEvent(family.acr, family.auth_time),
    )
    for category in sorted(released):
        answer |= claims_of(known.person, category)
    return answer


def _told(context: Context, client: Client, claims: dict[str, Any]) -> Response:
    """As the client registered: JSON, or signed (with `iss` and `aud`), or signed and encrypted (section 5.3.2)."""
    if not responses.is_wanted(client, responses.USERINFO):
        return answers.json(200, claims)
    at = int(context.now().timestamp())
    frame = {"iss": context.issuer, "aud": client.client_id, "iat": at, "exp": at + responses.LIFE_S}
    return answers.jwt(
        responses.write(context.ring, client, responses.USERINFO, {**claims, **frame}), "application/jwt"
    )
