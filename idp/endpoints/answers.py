"""JSON answers and DPoP proofs, as all endpoints have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base import certificates, dpop
from base.database import Connection
from base.dpop import Nonces, Proof
from base.replay import claim_once
from base.web import called
from idp.clients.authenticate import Presented
from idp.errors import OAuthError

NONCE = "dpop-nonce"
_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}


def json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """An answer of RFC 6749 section 5; nobody keeps it."""
    own = {**_HEADERS, **(headers or {})}
    if status == 401 and "www-authenticate" not in own:
        own["www-authenticate"] = 'Basic realm="regie"'
    return Response(msgspec.json.encode(body), status, own)


def jwt(token: str, media_type: str) -> Response:
    """An answer that is a JWT; nobody keeps it either."""
    return Response(token, 200, {**_HEADERS, "content-type": media_type})


def accepts(request: Request, media_type: str) -> bool:
    """Whether the caller names this media type. Split by hand, within bounds: no weights, no wildcards."""
    header = request.headers.get("accept", "")[:500]
    return any(one.partition(";")[0].strip().lower() == media_type for one in header.split(","))


def refused(error: OAuthError) -> Response:
    headers = error.headers | ({"www-authenticate": error.challenge} if error.challenge else {})
    return json(error.status, {"error": error.error, "error_description": error.description}, headers)


def presented(request: Request, form: Mapping[str, str]) -> Presented:
    """What this request shows of its client (idp.clients.authenticate)."""
    return Presented(form, authorization(request), certificates.shown(request.scope))


def authorization(request: Request) -> str | None:
    """The Authorization header. OAuthError for two: whoever stands before us may have judged the other."""
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise OAuthError("invalid_request", "The Authorization header came more than once.")
    return given[0] if given else None


def proof_of(request: Request, nonces: Nonces, now: datetime, *, access_token: str | None = None) -> Proof | None:
    """The request's DPoP proof, verified but not yet claimed. OAuthError invalid_dpop_proof, use_dpop_nonce."""
    proofs = request.headers.getlist("dpop")
    if not proofs:
        return None
    try:
        if len(proofs) == 1:
            return dpop.verify(
                proofs[0],
                method=request.method,
                url=called(request),
                nonces=nonces,
                now=now,
                access_token=access_token,
            )
    except dpop.UseNonce as error:
        raise _refused_proof("use_dpop_nonce", access_token, {NONCE: error.nonce}) from None
    except dpop.InvalidProof:
        pass
    raise _refused_proof("invalid_dpop_proof", access_token)


def claim(connection: Connection, proof: Proof | None, now: datetime, *, access_token: str | None = None) -> str | None:
    """Claim a proof once, in the unit that it belongs to; answers its key's thumbprint."""
    if proof is None:
        return None
    if not claim_once(connection, "dpop", proof.jti_digest, expires_at=proof.expires_at, now=now):
        raise _refused_proof("invalid_dpop_proof", access_token)
    return proof.jkt


def next_nonce(nonces: Nonces, proof: Proof | None, now: datetime) -> dict[str, str]:
    """The header with which an answer to a proof gives the nonce for the next one (RFC 9449 section 8.2)."""
    return {NONCE: nonces.fresh(now)} if nonces.required and proof is not None else {}


def _refused_proof(error: str, access_token: str | None, headers: Mapping[str, str] | None = None) -> OAuthError:
    """At a protected resource it is a 401 with a challenge, at the token endpoint a 400 (RFC 9449 sections 5, 7.1, 8, 9)."""
    sentence = "The DPoP proof is not valid for this request."
    if error == "use_dpop_nonce":
        sentence = "Make the DPoP proof again, with the nonce in DPoP-Nonce."
    if access_token is None:
        return OAuthError(error, sentence, headers=headers)
    return OAuthError(error, sentence, status=401, challenge=f'DPoP error="{error}"', headers=headers)
