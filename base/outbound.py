"""Where we ever connect to at a stranger's word: pure rules, without a connection (base.fetch makes it).

https, a public address, no user name, no low port. In development: this machine alone.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address

MAX_URL = 2_000
_CHARACTERS = re.compile(r"[!-~]+\Z")
_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
"""A host name of several labels: a bare one is found by the machine's own search list."""
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
"""A last label that some resolvers read as (part of) an IPv4 address (WHATWG URL section 3.5)."""
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".corp", ".home", ".private")

_REFUSED = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        # The host agent of a large cloud: a public number that is none.
        "168.63.129.16/32",
        # Within 2000::/3: protocol assignments with Teredo, documentation, and IPv4 in disguise (6to4).
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
"""The special-purpose registries of IANA (RFC 6890), metadata services among them."""
_GLOBAL_UNICAST = ip_network("2000::/3")


class Refused(Exception):
    """An address that we do not connect to; the message is a rule, without the address."""


def parsed(url: str, *, development: bool) -> SplitResult:
    """The parts of an address that may be connected to as far as can be seen without resolving it. Refused."""
    if len(url) > MAX_URL or not _CHARACTERS.match(url) or "\\" in url or "#" in url:
        raise Refused("it must be an absolute URL without fragment or spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("it must be an absolute URL") from None
    if "@" in parts.netloc or "%" in parts.netloc or not host:
        raise Refused("it must have a plain host name")
    if development:
        if parts.scheme not in ("http", "https") or not _is_this_machine(host):
            raise Refused("in development only this machine is connected to")
        return parts
    if parts.scheme != "https":
        raise Refused("it must be https")
    if port is not None and port != 443 and port < 1024:
        raise Refused("its port must be 443, or above 1023")
    if not _is_public_host(host):
        raise Refused("it must have a public host name or address")
    return parts


def check_address(address: str, *, development: bool) -> None:
    """What a name resolved to, before it is connected to. Refused."""
    found = _literal(address)
    if found is None or not (found.is_loopback if development else is_public(found)):
        raise Refused("its host name leads to an address that is not public")


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the Internet, and nothing of a network that we might stand in."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        # Loopback, link-local, unique local, mapped and translated IPv4, multicast: all lie outside 2000::/3.
        return False
    return address.is_global and not any(address in one for one in _REFUSED if one.version == address.version)


def _is_public_host(host: str) -> bool:
    literal = _literal(host)
    if literal is not None:
        return is_public(literal)
    return bool(_NAME.match(host) and not _NUMERIC.match(host.rpartition(".")[2]) and not host.endswith(_PRIVATE_NAMES))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    literal = _literal(host)
    return host == "localhost" or (literal is not None and literal.is_loopback)
