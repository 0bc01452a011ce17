"""The certificate that a caller showed, from wherever TLS ended: here, or at a proxy that is believed.

Both leave it in the request's ASGI scope under the name and in the form of the ASGI TLS extension, so that a server
that speaks that extension by itself needs nothing of ours.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keys import x509
from keys.errors import InvalidCertificate
from keys.x509 import Certificate

UNKNOWN_CA = "unknown ca"


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate whose private key the caller holds. `trusted`: an authority of tls_client_ca vouches for it."""

    certificate: Certificate
    trusted: bool


def extension(chain: Sequence[bytes], *, trusted: bool) -> dict[str, Any]:
    """The member `tls` of a scope's extensions. `chain`: DER, the caller's own certificate first."""
    pems = [ssl.DER_cert_to_PEM_cert(one) for one in chain]
    return {"client_cert_chain": pems, "client_cert_error": None if trusted else UNKNOWN_CA}


def shown(scope: Mapping[str, Any]) -> Shown | None:
    """What this request's caller showed. One that cannot be read counts as none."""
    tls = scope.get("extensions", {}).get("tls")
    chain = tls.get("client_cert_chain") if tls is not None else None
    if not chain:
        return None
    try:
        certificate = x509.parse(ssl.PEM_cert_to_DER_cert(chain[0]))
    except (InvalidCertificate, ValueError):
        return None
    return Shown(certificate, tls.get("client_cert_error") is None)
