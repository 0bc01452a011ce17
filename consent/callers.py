"""Which agency is calling: an access token of ours, for this API, with the right scope (RFC 9068, RFC 9449, RFC 8705).

A verified signature is remembered until the token expires; the verdict on what the caller may do never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from starlette.requests import Request

from base import certificates, dpop
from base.binding import X5T, Binding, binding_of, scheme_of
from base.clock import Clock
from base.database import Connection, Database
from base.dpop import Proof
from base.problems import Problem
from base.replay import claim_once
from base.settings import Settings
from base.web import called
from keys import jose
from keys.errors import InvalidToken
from keys.ring import Ring

API = "/consent/v1"
REMEMBERED = 4096
_TYP = frozenset({"at+jwt"})
_ALGORITHMS = frozenset({"ES256", "PS256", "RS256"})


@dataclass(frozen=True, slots=True)
class Caller:
    """An agency at the door. `agency`: its id in the catalogue."""

    agency: str
    client_id: str
    scope: frozenset[str]
    binding: Binding | None
    kid: str
    exp: float


class Callers:
    def __init__(self, ring: Ring, database: Database, settings: Settings, clock: Clock) -> None:
        self._ring = ring
        self._database = database
        self._issuer = settings.issuer
        self._nonces = dpop.Nonces(ring.pseudonyms.mac, required=settings.dpop_nonce_required)
        self._clock = clock
        self._known: dict[bytes, Caller] = {}

    async def require(self, request: Request, scope: str) -> Caller:
        """The caller, or Problem 401 (no valid token) or 403 (`insufficient_scope`)."""
        given = request.headers.getlist("authorization")
        # Of two, whoever stands before us may have judged the other one.
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        now = self._clock.now()
        try:
            caller = self._verified(token, now)
        except InvalidToken:
            raise _unauthorised("invalid_token" if token else "") from None
        await self._check_binding(request, scheme.lower(), token, caller, now)
        if scope not in caller.scope:
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            raise Problem(403, "The token lacks the scope for this.", headers={"www-authenticate": challenge})
        return caller

    def _verified(self, token: str, now: datetime) -> Caller:
        known = self._known.get(key := sha256(token.encode()).digest())
        # A key that was withdrawn since takes its tokens along.
        if known is not None and known.exp > now.timestamp() and self._ring.find(known.kid) is not None:
            return known
        claims = jose.verify(
            token,
            keys=self._ring.source,
            typ=_TYP,
            algorithms=_ALGORITHMS,
            now=now,
            issuer=self._issuer,
            audience=self._issuer + API,
            leeway_s=0,
        )
        if not isinstance(claims.get("agency"), str):
            raise InvalidToken("a token of no agency")
        try:
            binding = binding_of(claims.get("cnf"))
        except ValueError as error:
            # Bound to something that we cannot check here: then it is nobody's.
            raise InvalidToken("bound to another proof") from error
        caller = Caller(
            claims["agency"],
            str(claims.get("client_id")),
            frozenset(str(claims.get("scope", "")).split()),
            binding,
            claims.header["kid"],
            float(claims["exp"]),
        )
        while len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = caller
        return caller

    async def _check_binding(self, request: Request, scheme: str, token: str, caller: Caller, now: datetime) -> None:
        """A bound token needs what it is bound to, in the scheme that goes with it (RFC 9449 section 7, RFC 8705 section 3)."""
        binding = caller.binding
        wanted = scheme_of(binding)
        if scheme != wanted.lower():
            raise _unauthorised("invalid_token", wanted)
        if binding is None:
            return
        if binding.method == X5T:
            shown = certificates.shown(request.scope)
            if shown is None or not binding.is_held(jkt=None, x5t=shown.certificate.thumbprint):
                raise _unauthorised("invalid_token")
            return
        proof = self._proof(request, token, now)

        def claim(connection: Connection) -> bool:
            return claim_once(connection, "dpop", proof.jti_digest, expires_at=proof.expires_at, now=now)

        if not binding.is_held(jkt=proof.jkt, x5t=None) or not await self._database.write(claim):
            raise _unauthorised("invalid_dpop_proof", "DPoP")

    def _proof(self, request: Request, token: str, now: datetime) -> Proof:
        proofs = request.headers.getlist("dpop")
        if len(proofs) != 1:
            raise _unauthorised("invalid_token", "DPoP")
        try:
            return dpop.verify(
                proofs[0],
                method=request.method,
                url=called(request),
                nonces=self._nonces,
                now=now,
                access_token=token,
            )
        except dpop.UseNonce as error:
            raise _unauthorised("use_dpop_nonce", "DPoP", nonce=error.nonce) from None
        except dpop.InvalidProof:
            raise _unauthorised("invalid_dpop_proof", "DPoP") from None


def _unauthorised(error: str, scheme: str = "Bearer", *, nonce: str = "") -> Problem:
    headers = {"www-authenticate": scheme + (f' error="{error}"' if error else "")}
    if nonce:
        headers["dpop-nonce"] = nonce
    return Problem(401, "A valid access token for this API is needed.", headers=headers)
