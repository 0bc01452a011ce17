"""Minting: access tokens (RFC 9068), ID tokens (OpenID Connect Core section 2), refresh tokens. Nowhere else.

Every access token has its row before it leaves: no record, no token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from base.binding import Binding
from base.database import Connection
from base.ids import digest, identifier, secret
from base.settings import Settings
from idp.clients import Client
from idp.extensions import resource
from idp.profiles import ALGORITHMS_OF_SHA256
from idp.store import grants
from idp.store.grants import Family
from idp.tokens import responses, subject
from keys import jose
from keys.digest import b64encode
from keys.ring import Ring

AT_TYP = "at+jwt"
LOGOUT_S = 120
"""Life of a logout token: two minutes at most (OpenID Connect Back-Channel Logout section 2.4)."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
PUBLIC_MOST_S = 900
"""Life of an access token of a public client, at most (NL GOV OAuth 1.1 section 3.4)."""
HALF_HASH = dict.fromkeys(ALGORITHMS_OF_SHA256, hashlib.sha256)
"""By the algorithm of the ID token (OpenID Connect Core section 3.1.3.6). No other has a hash that all agree on: an ID
token that would need one is not made (Authlib CVE-2026-28498)."""


@dataclass(frozen=True, slots=True)
class Minter:
    ring: Ring
    settings: Settings

    def access_token(
        self,
        connection: Connection,
        client: Client,
        scope: str,
        *,
        family: Family | None,
        binding: Binding | None,
        audience: str,
        now: datetime,
    ) -> dict[str, Any]:
        """A token response with an access token, valid `access_token_s` seconds (RFC 6749 section 5.1).

        `audience`: exactly one API.
        """
        jti = identifier()
        life = (
            self.settings.access_token_s if not client.is_public else min(self.settings.access_token_s, PUBLIC_MOST_S)
        )
        iat = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.settings.issuer,
            "sub": self.sub(family.citizen, client) if family is not None else client.client_id,
            "aud": audience,
            "client_id": client.client_id,
            "agency": client.agency,
            "jti": jti,
            "iat": iat,
            "exp": iat + life,
            "scope": scope,
        }
        if client.profile.name == "nlgov":
            claims["azp"] = client.client_id
        if family is not None:
            claims |= {"acr": family.acr, "auth_time": int(family.auth_time.timestamp())}
        if binding is not None:
            claims["cnf"] = binding.cnf
        family_id = family.id if family is not None else None
        grants.add_access(connection, jti, client.client_id, family_id, now + timedelta(seconds=life))
        return {
            "access_token": jose.sign(claims, self.ring.active(), typ=AT_TYP),
            "token_type": binding.token_type if binding is not None else "Bearer",
            "expires_in": life,
            "scope": scope,
        }

    def exchanged_token(
        self,
        connection: Connection,
        client: Client,
        family: Family,
        *,
        target: str,
        jti: str,
        binding: Binding | None,
        now: datetime,
    ) -> dict[str, Any]:
        """A token response for another agency (RFC 8693 section 2.2), valid `permit_s` seconds.

        The citizen stands in it as `target` knows him, and nothing by which this agency does. `jti`: the permit that the
        registry recorded. `act`: who acts (section 4.1).
        """
        iat, life = int(now.timestamp()), self.settings.permit_s
        pseudonyms = self.ring.pseudonyms
        claims: dict[str, Any] = {
            "iss": self.settings.issuer,
            "sub": pseudonyms.pairwise(pseudonyms.handle(family.citizen), target),
            "aud": target,
            "client_id": client.client_id,
            "jti": jti,
            "iat": iat,
            "exp": iat + life,
            "acr": family.acr,
            "act": {"iss": self.settings.issuer, "sub": client.client_id, "agency": client.agency},
            "authorization_details": family.details,
        }
        if binding is not None:
            claims["cnf"] = binding.cnf
        grants.add_access(connection, jti, client.client_id, family.id, now + timedelta(seconds=life))
        return {
            "access_token": jose.sign(claims, self.ring.active(), typ=AT_TYP),
            "token_type": binding.token_type if binding is not None else "Bearer",
            "expires_in": life,
        }

    def id_token(self, client: Client, family: Family, *, nonce: str | None, access_token: str, now: datetime) -> str:
        """Who logged in, how and when; nothing else about the person. `at_hash` binds the access token."""
        iat = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.settings.issuer,
            "sub": self.sub(family.citizen, client),
            "aud": client.client_id,
            "azp": client.client_id,
            "jti": identifier(),
            "iat": iat,
            "nbf": iat,
            "exp": iat + self.settings.id_token_s,
            "auth_time": int(family.auth_time.timestamp()),
            "acr": family.acr,
            "at_hash": half_hash(access_token, responses.signing_alg(client, responses.ID_TOKEN)),
        }
        if family.session:
            claims["sid"] = subject.sid(self.ring, family.session, client)
        if nonce is not None:
            claims["nonce"] = nonce
        if client.profile.amr:
            claims["amr"] = family.amr
        return responses.write(self.ring, client, responses.ID_TOKEN, claims)

    def logout_token(self, client: Client, *, sub: str, sid: str, now: datetime) -> str:
        """That a session has ended (Back-Channel Logout section 2.4). By its `typ` and without `nonce` no ID token.

        Each is a token of its own, with its own `jti`: one for a second try is no repetition. Signed, and encrypted where
        ID tokens are (section 2.6). NoKey.
        """
        iat = int(now.timestamp())
        claims = {
            "iss": self.settings.issuer,
            "aud": client.client_id,
            "sub": sub,
            "sid": sid,
            "iat": iat,
            "exp": iat + LOGOUT_S,
            "jti": identifier(),
            "events": {LOGOUT_EVENT: {}},
        }
        return responses.write(self.ring, client, responses.LOGOUT, claims)

    def refresh_token(
        self,
        connection: Connection,
        family: Family,
        *,
        binding: Binding | None,
        expires_at: datetime | None,
        now: datetime,
    ) -> str:
        """A fresh refresh token of a family; only its digest is kept. `expires_at`: of the one it replaces."""
        value = secret()
        row = {
            "digest": digest(value),
            "family": family.id,
            "client_id": family.client_id,
            "cnf": binding.cnf if binding is not None else None,
            "expires_at": expires_at or now + timedelta(seconds=self.settings.refresh_total_s),
            "idle_at": now + timedelta(seconds=self.settings.refresh_idle_s),
        }
        grants.add_refresh(connection, row)
        return value

    def sub(self, citizen_id: str, client: Client) -> str:
        """The pseudonym under which this client's agency knows the citizen."""
        return subject.sub(self.ring, citizen_id, client)

    def audience(self, scope: str, form: Mapping[str, str], granted: Sequence[str] = ()) -> str:
        """The one API that a token is for (RFC 8707), as `form` and the granted request name it. OAuthError invalid_target."""
        return resource.audience(scope, self.settings.issuer, asked=resource.read(form), granted=granted)


def half_hash(value: str, alg: str) -> str:
    """The left half of the hash that goes with `alg`, for `at_hash`. KeyError for an algorithm without one."""
    digest_ = HALF_HASH[alg](value.encode()).digest()
    return b64encode(digest_[: len(digest_) // 2])
