"""Clients that authenticate with a certificate (RFC 8705 section 2).

One that an authority vouches for, or one that they registered themselves. That its private key is theirs, TLS has proven
before we are asked.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from base.binding import X5T
from base.certificates import Shown
from base.settings import Settings
from idp.clients import Client
from idp.clients.metadata import InvalidMetadata
from idp.profiles import MTLS
from keys.certificate_names import MEMBERS
from keys.jwks import thumbprint
from keys.x509 import Certificate

TLS_CLIENT_AUTH, SELF_SIGNED = MTLS


def offered(settings: Settings) -> frozenset[str]:
    """The methods that work in this house: without a way in for certificates none, without authorities one."""
    if not settings.takes_certificates:
        return frozenset()
    return frozenset(MTLS) if settings.tls_client_ca is not None else frozenset({SELF_SIGNED})


def check_possible(client: Client, settings: Settings) -> None:
    """InvalidMetadata when the client needs a certificate, for itself or its tokens, and none of that kind comes in here."""
    if client.auth_method in MTLS and client.auth_method not in offered(settings):
        raise InvalidMetadata(
            f"token_endpoint_auth_method: {client.auth_method} needs certificates, and none come in here"
        )
    if client.bound_by == X5T and not settings.takes_certificates:
        raise InvalidMetadata("tls_client_certificate_bound_access_tokens needs certificates, and none come in here")


def is_shown(client: Client, shown: Shown | None, now: datetime) -> bool:
    """Whether this is the certificate that the client registered, by name or by key. Dates count for both."""
    if shown is None or not shown.certificate.is_current(now):
        return False
    if client.auth_method == TLS_CLIENT_AUTH:
        return shown.trusted and any(
            shown.certificate.is_named(member, client.metadata[member])
            for member in MEMBERS
            if member in client.metadata
        )
    jwks = client.metadata.get("jwks") or {}
    return client.auth_method == SELF_SIGNED and any(_is_of(jwk, shown.certificate) for jwk in jwks.get("keys", ()))


def _is_of(jwk: Mapping[str, Any], certificate: Certificate) -> bool:
    """A key with a certificate of its own stands for that certificate alone (RFC 7517 section 4.7)."""
    if jwk.get("use") == "enc" or not certificate.key or thumbprint(jwk) != certificate.key:
        return False
    x5c = jwk.get("x5c")
    return x5c is None or base64.b64decode(x5c[0]) == certificate.der
