"""What a token is bound to, and how a caller proves to hold it: a key by DPoP (RFC 9449), a certificate by mutual TLS (RFC 8705)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keys.digest import same

JKT, X5T = "jkt", "x5t#S256"


@dataclass(frozen=True, slots=True)
class Binding:
    """`method`: JKT or X5T. `thumbprint`: SHA-256, 43 base64url characters."""

    method: str
    thumbprint: str

    @property
    def cnf(self) -> dict[str, str]:
        """As it stands in a token (RFC 7800)."""
        return {self.method: self.thumbprint}

    @property
    def token_type(self) -> str:
        """A certificate needs no scheme of its own (RFC 8705 section 3)."""
        return "DPoP" if self.method == JKT else "Bearer"

    def is_held(self, *, jkt: str | None, x5t: str | None) -> bool:
        """Whether a caller who proved to hold this key, and showed this certificate, holds what it takes."""
        given = jkt if self.method == JKT else x5t
        return given is not None and same(given, self.thumbprint)


def binding_of(cnf: Mapping[str, Any] | None) -> Binding | None:
    """The one thing that a token is bound to, or None for a bearer token. ValueError for what we cannot check."""
    if not cnf:
        return None
    method, thumbprint = next(iter(cnf.items()))
    if len(cnf) > 1 or method not in (JKT, X5T) or not isinstance(thumbprint, str):
        raise ValueError("bound to something that is not checked here")
    return Binding(method, thumbprint)


def scheme_of(binding: Binding | None) -> str:
    """The authentication scheme in which a token must come, and in which it is challenged (RFC 9449 section 7.2)."""
    return binding.token_type if binding is not None else "Bearer"
