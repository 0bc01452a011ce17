"""What the tokens of a request are bound to (RFC 9449 section 5, RFC 8705 section 3)."""

from __future__ import annotations

from base.binding import JKT, X5T, Binding
from base.certificates import Shown
from idp.clients import Client
from idp.errors import OAuthError


def binding_for(client: Client, proven: Binding | None, certificate: Shown | None) -> Binding | None:
    """`proven`: the key of the DPoP proof that came along. OAuthError when the client must show something else."""
    if client.bound_by != X5T:
        if client.bound_by == JKT and proven is None:
            raise OAuthError("invalid_request", "This client's tokens are bound to a key: send a DPoP proof.")
        return proven
    if proven is not None:
        raise OAuthError("invalid_request", "This client's tokens are bound to its certificate, not to a DPoP key.")
    if certificate is None:
        raise OAuthError("invalid_request", "This client's tokens are bound to its certificate: show it (mutual TLS).")
    return Binding(X5T, certificate.certificate.thumbprint)
