"""POST /oauth2/register (RFC 7591), and the client configuration endpoint below it (RFC 7592). By invitation alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import read_json
from base.ids import digest, same
from base.problems import Problem
from idp.clients import Client, registration, software
from idp.clients.arriving import Arrived, arrive
from idp.clients.certificates import check_possible
from idp.clients.metadata import InvalidMetadata
from idp.clients.software import Registered
from idp.context import Context
from idp.endpoints import answers
from idp.errors import OAuthError
from idp.profiles import Profile

PATH = "/oauth2/register"
_NOT_IN_UPDATES = frozenset(
    {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
)


def routes(context: Context) -> list[Route]:
    endpoint = Register(context)
    return [
        Route(PATH, endpoint.register, methods=["POST"]),
        Route(PATH + "/{client_id}", endpoint.configure, methods=["GET", "PUT", "DELETE"]),
    ]


class Register:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def register(self, request: Request) -> Response:
        context, now = self._context, self._context.now()
        try:
            token = _bearer(request)
            invitation = await context.database.read(lambda c: software.invited(c, token, now))
            sent = await _sent(request)
            profile = registration.profile_of(invitation.profile, development=context.settings.development)
            arrived = await self._arrived(sent, profile, invitation.agency)
            client, value = registration.new(arrived.metadata, profile, agency=invitation.agency, client_id="")
            check_possible(client, context.settings)
            done = await context.database.write(
                lambda c: software.register(c, token, client, value, fetched=arrived.columns, now=now)
            )
        except (OAuthError, InvalidMetadata) as error:
            return _refused(error)
        return answers.json(201, _information(context, done.client, done))

    async def configure(self, request: Request) -> Response:
        context, now = self._context, self._context.now()
        client_id = request.path_params["client_id"]
        try:
            token = _bearer(request)
            client = await context.database.read(lambda c: software.holder(c, client_id, token))
            if request.method == "DELETE":
                await context.database.write(lambda c: software.delete(c, client_id, token, now))
                return Response(status_code=204, headers={"cache-control": "no-store", "pragma": "no-cache"})
            if request.method == "PUT":
                sent = await _sent(request)
                _check_update(sent, client)
                arrived = await self._arrived(sent, client.profile, client.agency)
                changed = replace(client, metadata=arrived.metadata)
                check_possible(changed, context.settings)
                done = await context.database.write(
                    lambda c: software.update(c, token, changed, fetched=arrived.columns, now=now)
                )
                return answers.json(200, _information(context, changed, done))
        except (OAuthError, InvalidMetadata) as error:
            return _refused(error)
        return answers.json(200, {**_information(context, client), "registration_access_token": token})

    async def _arrived(self, sent: Mapping[str, Any], profile: Profile, agency: str) -> Arrived:
        context = self._context
        return await arrive(
            sent,
            profile,
            agency=agency,
            database=context.database,
            fetch=context.fetch,
            issuer=context.issuer,
            development=context.settings.development,
            now=context.now(),
        )


def information(issuer: str, client: Client) -> dict[str, Any]:
    """What is registered of a client (RFC 7591 section 3.2.1), without what is shown once."""
    issued = {"client_id_issued_at": int(client.created_at.timestamp())} if client.created_at is not None else {}
    managed = {"registration_client_uri": f"{issuer}{PATH}/{client.client_id}"} if client.registration_digest else {}
    return {"client_id": client.client_id, **issued, **managed, **client.registered}


def _information(context: Context, client: Client, done: Registered | None = None) -> dict[str, Any]:
    told = information(context.issuer, client)
    if done is not None:
        told["registration_access_token"] = done.registration_access_token
    if done is not None and done.client_secret is not None:
        told |= {"client_secret": done.client_secret, "client_secret_expires_at": 0}
    return told


def _bearer(request: Request) -> str:
    """The token, from the header alone; anything else is a 401 (Keycloak CVE-2026-9803)."""
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not 1 <= len(token) <= 200 or not token.isascii() or not token.isprintable():
        raise software.invalid_token()
    return token


async def _sent(request: Request) -> dict[str, Any]:
    try:
        return await read_json(request, dict[str, Any])
    except Problem as problem:
        if problem.status != 400:
            raise
        raise InvalidMetadata(problem.detail) from problem


def _check_update(sent: Mapping[str, Any], client: Client) -> None:
    """RFC 7592 section 2.2."""
    if sent.get("client_id") != client.client_id:
        raise InvalidMetadata("client_id must be this client's")
    if _NOT_IN_UPDATES & set(sent):
        raise InvalidMetadata(f"an update must not hold {', '.join(sorted(_NOT_IN_UPDATES))}")
    given = sent.get("client_secret")
    if given is not None and not (isinstance(given, str) and same(digest(given), client.secret_digest or "")):
        raise InvalidMetadata("client_secret, if it is sent, must be this client's")


def _refused(error: OAuthError | InvalidMetadata) -> Response:
    if isinstance(error, OAuthError):
        return answers.refused(error)
    return answers.json(400, {"error": error.error, "error_description": str(error)})
