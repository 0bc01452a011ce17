"""What the provider refuses, in the words of the standards. Descriptions are fixed sentences without input."""

from __future__ import annotations

from collections.abc import Mapping


class OAuthError(Exception):
    """`error`: the code on the wire. `description`: public. `status`, `headers`: at endpoints that answer JSON."""

    def __init__(
        self,
        error: str,
        description: str = "",
        *,
        status: int = 400,
        challenge: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge
        self.headers = dict(headers or {})


class UnverifiedRequest(OAuthError):
    """An authorization request whose client or redirect_uri is not proven: a page, never a redirect."""


def invalid_client() -> OAuthError:
    """Unknown client, wrong secret, expired or replayed assertion: all alike from outside (RFC 6749 section 5.2)."""
    return OAuthError("invalid_client", "Client authentication failed.", status=401)
