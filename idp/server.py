"""Authlib's authorization server on our unit of work: it finds the grant, runs it and shapes the errors.

Client authentication, storage, minting and time are ours. It runs synchronously inside one unit of work, so that what a
grant writes is committed before its answer is sent.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error

from idp.clients import Client
from idp.clients.authenticate import authenticate
from idp.clients.fetched import MissingKey
from idp.errors import OAuthError
from idp.extensions.bound import binding_for
from idp.grants.authorization_code import AuthorizationCode
from idp.grants.ciba import Ciba
from idp.grants.client_credentials import ClientCredentials
from idp.grants.device_code import DeviceCode
from idp.grants.refresh_token import RefreshToken
from idp.grants.token_exchange import TokenExchange
from idp.unit import Asks, Request, Unit

TOKEN_PATH = "/oauth2/token"
GRANTS = (AuthorizationCode, RefreshToken, ClientCredentials, DeviceCode, Ciba, TokenExchange)

Answer = tuple[int, dict[str, Any] | Asks]
"""Status and JSON body, or what must be asked of the registry before there is one."""


class Server(AuthorizationServer):
    def __init__(self) -> None:
        super().__init__()
        for grant in GRANTS:
            self.register_grant(grant)

    def token(self, request: Request) -> Answer:
        """Answer a token request. Returns a refusal, so that what it changed (an ended family) is committed."""
        try:
            if not request.form.get("grant_type"):
                raise OAuthError("invalid_request", "grant_type is missing.")
            answer: Answer = self.create_token_response(request)
        except MissingKey:
            # Not an answer yet: the edge asks the client's address first.
            raise
        except OAuthError as error:
            return _refused(error)
        return answer

    def finish(self, asked: Asks, unit: Unit, said: Any) -> Answer:
        """The rest of an answer, once the registry has said `said`."""
        try:
            return 200, asked.answer(unit, said)
        except OAuthError as error:
            return _refused(error)

    def authenticate_client(self, request: Request, methods: Any, endpoint: str = "token") -> Client:  # noqa: ARG002 - Authlib's own arguments
        unit: Unit = request.unit
        issuer = unit.settings.issuer
        client = authenticate(
            unit.connection,
            unit.presented,
            issuer=issuer,
            token_url=issuer + TOKEN_PATH,
            now=unit.now,
            public=True,
        )
        unit.binding = binding_for(client, unit.binding, unit.presented.certificate)
        # Authlib fetches some grants' client from the request, others' from here.
        request.client = client
        return client

    def save_token(self, token: Any, request: Any) -> None:
        """Nothing: minting has recorded it."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Any) -> Any:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:  # noqa: ARG002 - as above
        return status, body

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Answer:  # noqa: ARG002 - as above
        return error.status_code, dict(error.get_body())


def _refused(error: OAuthError) -> Answer:
    return error.status, {"error": error.error, "error_description": error.description}
