"""Logging a citizen in (OpenID Connect, authorization code with PKCE; pushed for clients with a key).

The addresses and the reading of the answer are Authlib's; what ties an answer to its browser is here: state, nonce and
verifier live in the browser's own session and serve once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from agency.client import Client
from agency.errors import Denied, LoginFailed
from agency.jose import half_hash

_PENDING = "regie_login"


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who logged in: the pseudonym that only this agency knows, and how sure the login was.

    `sid`: the session's name here; a logout token names it when it has ended (agency.logout).
    """

    sub: str
    acr: str
    access_token: str
    id_token: str
    sid: str = ""


async def begin(
    client: Client,
    session: MutableMapping[str, Any],
    *,
    redirect_uri: str,
    scope: str = "openid",
    uses: list[dict[str, Any]] | None = None,
    **more: str,
) -> str:
    """The address to send the browser to. `uses`: authorization_details of type personal_data_use."""
    metadata = await client.metadata()
    verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
    parameters = {
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
        **more,
    }
    if uses:
        parameters["authorization_details"] = json.dumps(uses)
    address: str = prepare_grant_uri(
        metadata["authorization_endpoint"], client.client_id, "code", redirect_uri, scope, state, **parameters
    )
    if client.pushes:
        form = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        pushed = await client.post("pushed_authorization_request_endpoint", form)
        query = urlencode({"client_id": client.client_id, "request_uri": pushed["request_uri"]})
        address = f"{metadata['authorization_endpoint']}?{query}"
    session[_PENDING] = {"state": state, "nonce": nonce, "verifier": verifier, "redirect_uri": redirect_uri}
    return address


async def finish(client: Client, session: MutableMapping[str, Any], query: dict[str, str]) -> Citizen:
    """The citizen who comes back with `query`. LoginFailed.

    Steps: 1 this browser began a login, once · 2 state · 3 iss (RFC 9207) · 4 no error · 5 the code for tokens ·
    6 the ID token: signature, iss, aud, exp · 7 nonce · 8 at_hash.
    """
    pending = session.pop(_PENDING, None)
    if pending is None or not secrets.compare_digest(query.get("state", "").encode(), pending["state"].encode()):
        raise LoginFailed("state")
    if query.get("iss") != client.issuer:
        raise LoginFailed("iss")
    if "error" in query or "code" not in query:
        raise LoginFailed(query.get("error", "no code"))
    form = {
        "grant_type": "authorization_code",
        "code": query["code"],
        "redirect_uri": pending["redirect_uri"],
        "code_verifier": pending["verifier"],
    }
    try:
        tokens = await client.post("token_endpoint", form)
    except Denied as error:
        raise LoginFailed(error.reason) from error
    if not all(isinstance(tokens.get(name), str) for name in ("access_token", "id_token")):
        raise LoginFailed("no tokens")
    claims = await client.verify(tokens["id_token"], typ="JWT", audience=client.client_id)
    if claims.get("nonce") != pending["nonce"]:
        raise LoginFailed("nonce")
    if claims.get("at_hash") != half_hash(tokens["access_token"]):
        raise LoginFailed("at_hash")
    if not all(isinstance(claims.get(name), str) for name in ("sub", "acr")):
        raise LoginFailed("sub or acr")
    sid = str(claims.get("sid", ""))
    return Citizen(claims["sub"], claims["acr"], tokens["access_token"], tokens["id_token"], sid)


async def userinfo(client: Client, citizen: Citizen) -> dict[str, Any]:
    """What the citizen lets this agency know. Each call is a use that the citizen sees."""
    url = await client.endpoint("userinfo_endpoint")
    status, body = await client.call("GET", url, citizen.access_token)
    if status != 200 or body.get("sub") != citizen.sub:
        raise LoginFailed("userinfo")
    return body
