"""DPoP: proof that the caller holds the key its token is bound to (RFC 9449). Used by both services' edges."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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
"""An `iat` may be that far back, and that far ahead (FAPI 2.0 Security Profile section 5.3.2.1, clocks)."""
WINDOW_S = 180
"""A nonce is given this long, and accepted as long again."""
_TYP = "dpop+jwt"


class InvalidProof(Exception):
    """The proof is missing, malformed, for another request or too old: `invalid_dpop_proof`."""


class UseNonce(InvalidProof):
    """The proof lacks a nonce of ours that is still good: `use_dpop_nonce`. `nonce`: the one to use."""

    def __init__(self, nonce: str) -> None:
        super().__init__("nonce")
        self.nonce = nonce


class Nonces:
    """Nonces that we give for proofs (RFC 9449 sections 8 and 9), so that none can be made in advance.

    Nothing is stored: a nonce is a code over its time window, made with the ring's secret, the same on every worker.
    """

    def __init__(self, mac: Callable[[str, bytes], bytes], *, required: bool) -> None:
        """`required`: a proof without one is refused. One that is given must be good in any case."""
        self.required = required
        self._mac = mac
        self._kept: dict[int, str] = {}

    def fresh(self, now: datetime) -> str:
        """43 base64url characters, good for 3 to 6 minutes."""
        return self._of(self._window(now))

    def check(self, nonce: object, now: datetime) -> None:
        """UseNonce unless it is of this window or the one before, or absent and not required."""
        if nonce is None and not self.required:
            return
        window = self._window(now)
        if not isinstance(nonce, str) or not any(same(nonce, self._of(one)) for one in (window, window - 1)):
            raise UseNonce(self._of(window))

    @staticmethod
    def _window(now: datetime) -> int:
        return int(now.timestamp()) // WINDOW_S

    def _of(self, window: int) -> str:
        found = self._kept.get(window)
        if found is None:
            self._kept = {one: value for one, value in self._kept.items() if abs(window - one) <= 2}
            found = self._kept[window] = b64encode(self._mac("dpop nonce", window.to_bytes(8, "big")))
        return found


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof. `jti_digest` must still be claimed once, until `expires_at` (base.replay)."""

    jkt: str
    jti_digest: str
    expires_at: datetime


def verify(
    proof: str, *, method: str, url: str, nonces: Nonces, now: datetime, access_token: str | None = None
) -> Proof:
    """Check one proof against the request it came with (RFC 9449 section 4.3).

    `url`: ours, built from the address that was called, without query. `access_token`: demanded as `ath` at protected
    resources. UseNonce, and InvalidProof for everything else.
    """
    try:
        claims, jwk = jose.verify_with_own_key(proof, typ=_TYP, algorithms=ALGORITHMS, now=now)
    except InvalidToken as error:
        raise InvalidProof(str(error)) from error
    jti, iat = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 500:
        raise InvalidProof("jti")
    if not isinstance(iat, int) or now.timestamp() - iat > MAX_AGE_S:
        raise InvalidProof("iat")
    if claims.get("htm") != method or _bare(claims.get("htu")) != _bare(url):
        raise InvalidProof("htm or htu")
    if access_token is not None:
        expected = b64encode(hashlib.sha256(access_token.encode()).digest())
        if not isinstance(claims.get("ath"), str) or not same(claims["ath"], expected):
            raise InvalidProof("ath")
    nonces.check(claims.get("nonce"), now)
    expires_at = datetime.fromtimestamp(iat, UTC) + timedelta(seconds=MAX_AGE_S + LEEWAY_S)
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
