"""DPoP: proof that the caller holds the key its token is bound to (RFC 9449). Used by both services' edges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from keys import jose
from keys.digest import b64encode, digest, same
from keys.errors import InvalidToken
from keys.jwks import thumbprint

ALGORITHMS = frozenset({"ES256", "PS256", "EdDSA", "Ed25519"})
MAX_AGE_S = 60
LEEWAY_S = 10
_TYP = "dpop+jwt"


class InvalidProof(Exception):
    """The proof is missing, malformed, for another request or too old: `invalid_dpop_proof`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof. `jti_digest` must still be claimed once, until `expires_at` (base.replay)."""

    jkt: str
    jti_digest: str
    expires_at: datetime


def verify(proof: str, *, method: str, url: str, now: datetime, access_token: str | None = None) -> Proof:
    """Check one proof against the request it came with (RFC 9449 section 4.3).

    `url`: ours, built from the issuer, without query. `access_token`: demanded as `ath` at protected resources.
    InvalidProof for everything else.
    """
    try:
        claims, jwk = jose.verify_with_own_key(proof, typ=_TYP, algorithms=ALGORITHMS, now=now)
    except InvalidToken as error:
        raise InvalidProof(str(error)) from error
    jti, iat = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 500:
        raise InvalidProof("jti")
    if not isinstance(iat, int) or now.timestamp() - iat > MAX_AGE_S + LEEWAY_S:
        raise InvalidProof("iat")
    if claims.get("htm") != method or _bare(claims.get("htu")) != _bare(url):
        raise InvalidProof("htm or htu")
    if access_token is not None:
        expected = b64encode(hashlib.sha256(access_token.encode()).digest())
        if not isinstance(claims.get("ath"), str) or not same(claims["ath"], expected):
            raise InvalidProof("ath")
    expires_at = datetime.fromtimestamp(iat, UTC) + timedelta(seconds=MAX_AGE_S + 2 * LEEWAY_S)
    jkt = thumbprint(jwk)
    return Proof(jkt, digest(f"{jkt}.{jti}"), expires_at)


def _bare(url: object) -> tuple[str, str, str] | None:
    """Scheme, authority and path, normalised as RFC 3986 sections 6.2.2 and 6.2.3 have it; None for no URL."""
    if not isinstance(url, str) or len(url) > 2000:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    authority = (parts.hostname or "") + (f":{port}" if port not in (None, usual) else "")
    return parts.scheme.lower(), authority, parts.path or "/"
