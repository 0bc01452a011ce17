"""Addresses to which we send a citizen's browser (RFC 6749 section 3.1.2, RFC 9700 section 4.1)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from base.settings import is_loopback

MAX_URI = 2_000
_CHARACTERS = re.compile(r"[!-~]+\Z")


def is_safe_redirect(uri: str, *, development: bool) -> bool:
    """Whether we would ever send a citizen there. Matching later is by exact string."""
    if len(uri) > MAX_URI or not _CHARACTERS.match(uri) or "*" in uri or "\\" in uri or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or host.endswith(".") or "%" in parts.netloc:
        return False
    segments = parts.path.replace("%2e", ".").replace("%2E", ".").split("/")
    if ".." in segments or "." in segments:
        return False
    return parts.scheme == "https" or (development and parts.scheme == "http" and is_loopback(host))
