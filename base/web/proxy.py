"""What a proxy says about its caller, and whether it is believed.

From a listed network `X-Forwarded-For` is believed. A client certificate is a credential, so it needs more: a listed
network and the secret that the proxy shares with us (Keycloak CVE-2024-10039, CVE-2023-2422: the header from anyone).
From all others none of these headers exists.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from ipaddress import ip_address, ip_network
from urllib.parse import unquote

from starlette.types import Scope

from base import certificates
from base.problems import Problem
from base.settings import Settings, UnsafeSettings
from keys.digest import same
from keys.errors import InvalidCertificate
from keys.x509 import MAX_CHAIN, MAX_DER, Anchors

FORWARDED = (
    b"forwarded",
    b"x-forwarded-",
    b"x-real-ip",
    b"x-original-",
    b"x-rewrite-",
    b"client-cert",
    b"regie-proxy-",
)
"""Beginnings of the names of headers that nobody behind the frame sees."""
SECRET = b"regie-proxy-secret"
_BINARY = re.compile(r"\s*:([A-Za-z0-9+/]+={0,2}):\s*\Z")
_ESCAPED = re.compile(r"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*\Z")


class Proxy:
    def __init__(self, settings: Settings) -> None:
        self._networks = tuple(ip_network(str(one)) for one in settings.trusted_proxies)
        self._secret = settings.proxy_secret.get_secret_value() if settings.proxy_secret is not None else ""
        self._anchors = anchors(settings)

    def read(self, scope: Scope, now: datetime) -> Problem | None:
        """Take what is believed into the scope, and the headers out of it; 400 for the nonsense of a believed proxy."""
        given: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name.startswith(FORWARDED):
                given.setdefault(name, []).append(value.decode("latin-1"))
        scope["headers"] = [header for header in scope["headers"] if not header[0].startswith(FORWARDED)]
        caller = scope.get("client")
        if not caller or not self._listed(caller[0]):
            return None
        self._caller(scope, given.get(b"x-forwarded-for", []))
        if self._secret and self._is_secret(given.get(SECRET, [])):
            try:
                self._certificate(scope, given.get(b"client-cert", []), given.get(b"client-cert-chain", []), now)
            except Problem as error:
                return error
        return None

    def _caller(self, scope: Scope, forwarded_for: list[str]) -> None:
        """Who called, last hop first."""
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        caller = next((hop for hop in reversed(hops) if not self._listed(hop)), None)
        if caller is not None and _is_address(caller):
            scope["client"] = (caller, 0)

    def _is_secret(self, given: list[str]) -> bool:
        return len(given) == 1 and same(given[0], self._secret)

    def _certificate(self, scope: Scope, leaf: list[str], others: list[str], now: datetime) -> None:
        """RFC 9440 section 2; an empty header is how some proxies say that there was no certificate."""
        if leaf in ([], [""]):
            return
        if len(leaf) > 1 or len(others) > 1:
            # A proxy that adds its header to the caller's own would let the caller choose.
            raise Problem(400, "A certificate was forwarded more than once.")
        chain = [_der(leaf[0]), *(_der(one) for one in (others[0].split(",") if others and others[0] else ()))]
        if len(chain) > MAX_CHAIN:
            raise Problem(400, "The forwarded certificate chain is too long.")
        trusted = self._anchors is not None and self._anchors.accept(chain, now)
        scope.setdefault("extensions", {})["tls"] = certificates.extension(chain, trusted=trusted)

    def _listed(self, address: str) -> bool:
        if not self._networks or not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)


def anchors(settings: Settings) -> Anchors | None:
    """The authorities in tls_client_ca. UnsafeSettings when the file has none."""
    try:
        return Anchors(settings.tls_client_ca.read_bytes()) if settings.tls_client_ca is not None else None
    except (InvalidCertificate, OSError) as error:
        raise UnsafeSettings("REGIE_TLS_CLIENT_CA must name a PEM file with CA certificates.") from error


def _der(value: str) -> bytes:
    """A byte sequence of RFC 8941, or the escaped PEM that nginx has in $ssl_client_escaped_cert."""
    found = _BINARY.match(value)
    if found is None and value.startswith("-----BEGIN"):
        found = _ESCAPED.match(unquote(value))
    encoded = "".join(found[1].split()) if found is not None else ""
    try:
        der = base64.b64decode(encoded, validate=True)
    except ValueError:
        der = b""
    if not 0 < len(der) <= MAX_DER:
        raise Problem(400, "The forwarded certificate is not encoded as RFC 9440 has it.")
    return der


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
