"""Where this house is reached: at its issuer, and, by callers with a certificate, at its mTLS address.

The Host header chooses between these two and is otherwise believed in nothing: every address of ours is built from the
settings. At the mTLS address no page is served, so that no cookie and no form ever meets a certificate prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Scope

from base.settings import Settings
from base.web.errors import form_of

_ADDRESS = "regie.address"


class Addresses:
    def __init__(self, settings: Settings) -> None:
        self._mtls = settings.mtls_address
        # The issuer last: where both are one address, it serves everything.
        known = [(host, base) for base in (self._mtls, settings.issuer) for host in (_hosts(base) if base else ())]
        self._bases = dict(known)

    def enter(self, scope: Scope, host: bytes) -> bool:
        """Note in the scope which address of ours this request came to. False when it is none of ours."""
        base = self._bases.get(host.lower())
        if base is None:
            return False
        scope[_ADDRESS] = base
        return True

    def serves(self, scope: Scope) -> bool:
        """Whether this address has such a path at all."""
        return scope[_ADDRESS] != self._mtls or form_of(scope["path"]) != "page"


def called(request: Request) -> str:
    """The URL that was called, without its query: what a DPoP proof must name (`htu`)."""
    return f"{request.scope[_ADDRESS]}{request.scope['path']}"


def _hosts(address: str) -> Iterable[bytes]:
    """The Host values of an address: with and without the scheme's own port."""
    parts = urlsplit(address)
    name = parts.hostname or ""
    if ":" in name:
        name = f"[{name}]"
    usual = 443 if parts.scheme == "https" else 80
    if parts.port in (None, usual):
        return (name.encode(), f"{name}:{usual}".encode())
    return (f"{name}:{parts.port}".encode(),)
