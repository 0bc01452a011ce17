"""Signing as a client and verifying what Regie signed. The kit's only importer of joserfc."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from agency.errors import InvalidToken, NotBelievedYet

ALGORITHMS = ["ES256", "PS256", "RS256"]
LEEWAY_S = 10


class Key:
    """A P-256 key of the agency's own. `thumbprint`: RFC 7638."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self.thumbprint = key.thumbprint()

    @classmethod
    def generate(cls) -> Key:
        return cls(ECKey.generate_key("P-256"))

    @classmethod
    def from_pem(cls, pem: str) -> Key:
        return cls(ECKey.import_key(pem))

    def pem(self) -> str:
        return self._key.as_pem(private=True).decode()

    def public(self) -> dict[str, Any]:
        """The public JWK, for registration."""
        return {**self._key.as_dict(private=False), "kid": self.thumbprint, "use": "sig", "alg": "ES256"}

    def assertion(self, client_id: str, issuer: str) -> str:
        """private_key_jwt: the issuer is the only audience, as a string (FAPI 2.0 section 5.3.3)."""
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, "iat": now, "exp": now + 60}
        header = {"alg": "ES256", "kid": self.thumbprint}
        return jwt.encode(header, {**claims, "jti": secrets.token_urlsafe(16)}, self._key)

    def proof(self, method: str, url: str, access_token: str | None = None, nonce: str | None = None) -> str:
        """A DPoP proof for one request (RFC 9449 section 4.2). `nonce`: as the server gave it."""
        public = {
            name: value for name, value in self._key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")
        }
        claims: dict[str, Any] = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time())}
        if access_token is not None:
            claims["ath"] = _b64(hashlib.sha256(access_token.encode()).digest())
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode({"alg": "ES256", "typ": "dpop+jwt", "jwk": public}, claims, self._key)


class Verifier:
    """Verifies with the issuer's published keys, which are fetched again when a key is unknown, at most every 10 s."""

    def __init__(self, issuer: str, fetch: Callable[[], dict[str, Any]]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._keys: KeySet | None = None
        self._fetched = 0.0

    def verify(
        self, token: str, *, typ: str, audience: str | None, leeway_s: int = LEEWAY_S, ends: bool = True
    ) -> dict[str, Any]:
        """The claims of a token of this type, issuer and audience that is valid now. InvalidToken.

        `ends`: it must have an end; an event has none.
        """
        decoded = self._decode(token)
        claims = dict(decoded.claims)
        now = time.time()
        if decoded.header.get("typ") != typ or claims.get("iss") != self._issuer:
            raise InvalidToken("typ or iss")
        if audience is not None and claims.get("aud") != audience:
            raise InvalidToken("aud")
        if ends and (not isinstance(claims.get("exp"), int) or now >= claims["exp"] + leeway_s):
            raise InvalidToken("exp")
        if not isinstance(claims.get("iat"), int):
            raise InvalidToken("iat")
        if claims["iat"] > now + LEEWAY_S:
            raise NotBelievedYet("iat")
        return claims

    def _decode(self, token: str) -> Any:
        for again in (False, True):
            if self._keys is None or again:
                if self._keys is not None and time.monotonic() - self._fetched < LEEWAY_S:
                    break
                self._keys = KeySet.import_key_set(self._fetch())  # type: ignore[arg-type]  # a JWK Set as the wire has it
                self._fetched = time.monotonic()
            try:
                return jwt.decode(token, self._keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError):
                # TypeError: of headers that are no token's, such as a list in `crit`.
                continue
        raise NotBelievedYet("signature")


def half_hash(access_token: str) -> str:
    """`at_hash` of an access token (OpenID Connect Core section 3.1.3.6)."""
    return _b64(hashlib.sha256(access_token.encode()).digest()[:16])


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
