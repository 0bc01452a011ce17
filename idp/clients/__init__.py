"""Clients: what is registered of an agency's software."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from base.binding import JKT, X5T
from idp.profiles import MTLS, PUBLIC, Profile
from keys.jwks import EncryptionKey, KeySource, check_set, encryption_keys, source

OPERATOR, SOFTWARE = "operator", "software"
"""Who registered a client: an operator, or the client's own software with an invitation (RFC 7591)."""


@dataclass(frozen=True, slots=True)
class Client:
    """`metadata`: RFC 7591 members, checked at registration; with `jwks_uri`, `jwks` is what was fetched there.

    `agency`: whose software it is, and its pseudonyms' sector. `registered_by`: OPERATOR or SOFTWARE.
    `keys_until`: how long fetched keys count; whoever relies on them asks `idp.clients.fetched.require_keys` first.
    """

    client_id: str
    agency: str
    profile: Profile
    metadata: Mapping[str, Any]
    secret_digest: str | None
    active: bool
    registered_by: str = OPERATOR
    registration_digest: str | None = None
    created_at: datetime | None = None
    keys_until: datetime | None = None

    @property
    def registered(self) -> dict[str, Any]:
        """The metadata as it was registered: without the keys that were fetched."""
        hidden = {"jwks"} if "jwks_uri" in self.metadata else set()
        return {name: value for name, value in self.metadata.items() if name not in hidden}

    def name(self, language: str) -> str:
        """As it was registered in this language (RFC 7591 section 2.2), else without one."""
        return str(self.metadata.get(f"client_name#{language}") or self.metadata["client_name"])

    def shown_name(self, language: str) -> str:
        """Its name before a citizen has seen whose it is: an operator's word, or none. Software could call itself anything."""
        return self.name(language) if self.registered_by == OPERATOR else ""

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        return tuple(self.metadata.get("redirect_uris", ()))

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.metadata.get("scope", "openid").split())

    @property
    def auth_method(self) -> str:
        return str(self.metadata["token_endpoint_auth_method"])

    @property
    def is_public(self) -> bool:
        return self.auth_method == PUBLIC

    @property
    def purpose(self) -> str | None:
        """The purpose under which plain claims are released."""
        return self.metadata.get("purpose")

    @property
    def assertion_signing(self) -> frozenset[str]:
        """What its assertions may be signed with: the algorithm it registered, or those of its profile."""
        registered = self.metadata.get("token_endpoint_auth_signing_alg")
        return frozenset({registered}) & self.profile.signing if registered else self.profile.signing

    @property
    def must_push(self) -> bool:
        return self.profile.par_required or bool(self.metadata.get("require_pushed_authorization_requests"))

    @property
    def bound_by(self) -> str | None:
        """What its tokens must be bound to, JKT or X5T; None: to a key when it shows one."""
        if self.metadata.get("tls_client_certificate_bound_access_tokens"):
            return X5T
        return JKT if self.profile.binding_required or self.metadata.get("dpop_bound_access_tokens") else None

    @property
    def has_key(self) -> bool:
        """Whether it authenticates with a key of its own, and not with a secret that we know too."""
        return self.auth_method in ("private_key_jwt", *MTLS)

    def key_source(self) -> KeySource:
        """Its own keys, and nobody else's."""
        jwks = self.metadata.get("jwks")
        return _source(msgspec.json.encode(jwks)) if jwks else source(())

    def encryption_key(self, alg: str) -> EncryptionKey | None:
        """The first of its keys with use "enc" that serves `alg`."""
        jwks = self.metadata.get("jwks")
        keys = _encryption_keys(msgspec.json.encode(jwks)) if jwks else ()
        return next((key for key in keys if alg in key.algorithms), None)

    def check_grant_type(self, grant_type: str) -> bool:
        """Named as Authlib's grants call it."""
        return grant_type in self.metadata["grant_types"]

    def get_client_id(self) -> str:
        return self.client_id


@lru_cache(maxsize=1024)
def _source(jwks: bytes) -> KeySource:
    """Checking a key costs more than a signature: once per key set."""
    return source(check_set(msgspec.json.decode(jwks)))


@lru_cache(maxsize=1024)
def _encryption_keys(jwks: bytes) -> tuple[EncryptionKey, ...]:
    """As above."""
    return tuple(encryption_keys(msgspec.json.decode(jwks)))
