"""An agency's connection to Regie: client authentication, DPoP or mutual TLS, tokens of its own, verified answers."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from agency.errors import Denied, Unreachable
from agency.jose import Key, Verifier

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_S = 10
EARLY_S = 20
"""A token is renewed this long before it ends."""


@dataclass(slots=True)
class Client:
    """`key` (fapi2: private_key_jwt and DPoP), `secret` (baseline: client_secret_basic), or `certificate`.

    `certificate`: a context that shows your certificate and trusts Regie's (fapi2: tls_client_auth or
    self_signed_tls_client_auth, with tls_client_certificate_bound_access_tokens).
    """

    issuer: str
    client_id: str
    key: Key | None = None
    secret: str = ""
    certificate: ssl.SSLContext | None = None
    http: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=TIMEOUT_S))
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _metadata: dict[str, Any] = field(default_factory=dict)
    _verifier: Verifier | None = None
    _nonces: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.certificate is not None:
            self.http = httpx2.AsyncClient(timeout=TIMEOUT_S, verify=self.certificate)

    @property
    def pushes(self) -> bool:
        """Whether its profile is one in which requests are pushed."""
        return self.key is not None or self.certificate is not None

    async def endpoint(self, name: str) -> str:
        """Where one of the provider's endpoints is for this client: with a certificate at its alias (RFC 8705 section 5)."""
        metadata = await self.metadata()
        aliases = metadata.get("mtls_endpoint_aliases", {}) if self.certificate is not None else {}
        return str(aliases.get(name) or metadata[name])

    async def registry(self) -> str:
        """The address of the registry's API, where this client can show what its tokens are bound to."""
        parts = urlsplit(await self.endpoint("token_endpoint"))
        return f"{parts.scheme}://{parts.netloc}/consent/v1"

    async def metadata(self) -> dict[str, Any]:
        """The issuer's discovery document; its `issuer` must be the one we know (OpenID Connect Discovery section 4.3)."""
        if not self._metadata:
            document = await self._json("GET", f"{self.issuer}/.well-known/openid-configuration")
            if document.get("issuer") != self.issuer:
                raise Unreachable("the discovery document names another issuer")
            self._metadata = document
        return self._metadata

    async def verifier(self) -> Verifier:
        if self._verifier is None:
            jwks_uri = (await self.metadata())["jwks_uri"]

            def fetch() -> dict[str, Any]:
                trusted = self.certificate if self.certificate is not None else True
                try:
                    answer = httpx2.get(jwks_uri, timeout=TIMEOUT_S, verify=trusted)
                    keys: dict[str, Any] = answer.raise_for_status().json()
                except (httpx2.HTTPError, ValueError) as error:
                    raise Unreachable("the keys could not be read") from error
                return keys

            self._verifier = Verifier(self.issuer, fetch)
        return self._verifier

    async def verify(
        self, token: str, *, typ: str, audience: str | None, leeway_s: int = 10, ends: bool = True
    ) -> dict[str, Any]:
        """See `Verifier.verify`; the keys are fetched off the event loop."""
        verifier = await self.verifier()
        return await asyncio.to_thread(verifier.verify, token, typ=typ, audience=audience, leeway_s=leeway_s, ends=ends)

    async def post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        """A form to one of the provider's endpoints, as this client. `endpoint`: its name in the metadata."""
        url = await self.endpoint(endpoint)
        auth = httpx2.BasicAuth(self.client_id, self.secret) if self.secret else httpx2.USE_CLIENT_DEFAULT

        async def send(headers: dict[str, str]) -> httpx2.Response:
            return await self.http.post(url, data={**form, **self._credentials()}, headers=headers, auth=auth)

        status, body = await self._proven("POST", url, None, send)
        if status >= 400:
            raise Denied(str(body.get("error", status)))
        return body

    def _credentials(self) -> dict[str, str]:
        """What a form says of the client; an assertion serves once."""
        if self.key is None:
            return {"client_id": self.client_id} if self.certificate is not None else {}
        return {
            "client_id": self.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.key.assertion(self.client_id, self.issuer),
        }

    async def token(self, scope: str) -> str:
        """An access token of the agency's own, kept until shortly before it ends."""
        kept = self._tokens.get(scope)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        answer = await self.post("token_endpoint", {"grant_type": "client_credentials", "scope": scope})
        value = str(answer["access_token"])
        self._tokens[scope] = (value, time.monotonic() + int(answer["expires_in"]) - EARLY_S)
        return value

    async def call(
        self, method: str, url: str, token: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """A protected resource, with the token in the way it is bound; status and JSON body."""
        scheme = "DPoP" if self.key is not None else "Bearer"

        async def send(headers: dict[str, str]) -> httpx2.Response:
            authorization = {"authorization": f"{scheme} {token}"}
            return await self.http.request(method, url, headers=authorization | headers, json=body)

        status, answer = await self._proven(method, url, token, send)
        if status == 401:
            # Its key was withdrawn, or it ended: the next call gets another.
            self._tokens = {scope: kept for scope, kept in self._tokens.items() if kept[0] != token}
        return status, answer

    async def _proven(
        self, method: str, url: str, token: str | None, send: Callable[[dict[str, str]], Awaitable[httpx2.Response]]
    ) -> tuple[int, dict[str, Any]]:
        """Send with a DPoP proof if there is a key; once more when the proof must carry a nonce (RFC 9449 section 8)."""
        origin = urlsplit(url).netloc
        for again in (False, True):
            headers = {}
            if self.key is not None:
                headers["dpop"] = self.key.proof(method, url, token, self._nonces.get(origin))
            try:
                answer = await send(headers)
                body: dict[str, Any] = answer.json()
            except (httpx2.HTTPError, ValueError) as error:
                raise Unreachable(f"{url} did not answer") from error
            nonce = answer.headers.get("dpop-nonce")
            if nonce is not None:
                self._nonces[origin] = nonce
            if again or nonce is None or answer.status_code < 400:
                break
        return answer.status_code, body

    async def _json(self, method: str, url: str) -> dict[str, Any]:
        try:
            answer = await self.http.request(method, url)
            content: dict[str, Any] = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Unreachable(f"{url} did not answer") from error
        return content
