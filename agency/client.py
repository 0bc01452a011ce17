"""An agency's connection to Regie: client authentication, DPoP, tokens of its own, verified answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from agency.errors import Denied, Unreachable
from agency.jose import Key, Verifier

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_S = 10
EARLY_S = 20
"""A token is renewed this long before it ends."""


@dataclass(slots=True)
class Client:
    """`key` (fapi2: private_key_jwt and DPoP) or `secret` (baseline: client_secret_basic)."""

    issuer: str
    client_id: str
    key: Key | None = None
    secret: str = ""
    http: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=TIMEOUT_S))
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _metadata: dict[str, Any] = field(default_factory=dict)
    _verifier: Verifier | None = None

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
                keys: dict[str, Any] = httpx2.get(jwks_uri, timeout=TIMEOUT_S).raise_for_status().json()
                return keys

            self._verifier = Verifier(self.issuer, fetch)
        return self._verifier

    async def verify(self, token: str, *, typ: str, audience: str | None, leeway_s: int = 10) -> dict[str, Any]:
        """See `Verifier.verify`; the keys are fetched off the event loop."""
        verifier = await self.verifier()
        return await asyncio.to_thread(verifier.verify, token, typ=typ, audience=audience, leeway_s=leeway_s)

    async def post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        """A form to one of the provider's endpoints, as this client. `endpoint`: its name in the metadata."""
        url = (await self.metadata())[endpoint]
        headers: dict[str, str] = {}
        if self.key is not None:
            assertion = self.key.assertion(self.client_id, self.issuer)
            form = {
                **form,
                "client_id": self.client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
            headers["dpop"] = self.key.proof("POST", url)
        auth = httpx2.USE_CLIENT_DEFAULT if self.key is not None else httpx2.BasicAuth(self.client_id, self.secret)
        try:
            answer = await self.http.post(url, data=form, headers=headers, auth=auth)
            body: dict[str, Any] = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Unreachable(f"{endpoint} did not answer") from error
        if answer.status_code >= 400:
            raise Denied(str(body.get("error", answer.status_code)))
        return body

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
        headers = {"authorization": f"Bearer {token}"}
        if self.key is not None:
            headers = {"authorization": f"DPoP {token}", "dpop": self.key.proof(method, url, token)}
        try:
            answer = await self.http.request(method, url, headers=headers, json=body)
            content: dict[str, Any] = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Unreachable(f"{url} did not answer") from error
        return answer.status_code, content

    async def _json(self, method: str, url: str) -> dict[str, Any]:
        try:
            answer = await self.http.request(method, url)
            content: dict[str, Any] = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Unreachable(f"{url} did not answer") from error
        return content
