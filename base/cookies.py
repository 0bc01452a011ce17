"""The cookies, their names and attributes.

`__Host-` makes the browser itself refuse a cookie without Secure, with a Domain or another path (RFC 6265bis 4.1.3.2).
Development on http://localhost must drop the prefix and Secure, and drops nothing else.
"""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

MAX_VALUE = 512
"""Longest cookie value read, in characters; ours have 43."""


class Site(Protocol):
    """What of the settings decides on cookies."""

    @property
    def development(self) -> bool: ...
    @property
    def issuer(self) -> str: ...


class Cookies:
    """`session` is a citizen's open login, `officer` an officer's, and neither is the other; `browser` ties a login attempt to the browser that began it."""

    def __init__(self, settings: Site) -> None:
        self.relaxed = settings.development and settings.issuer.startswith("http://")
        prefix = "" if self.relaxed else "__Host-"
        self.session = f"{prefix}regie-session"
        self.officer = f"{prefix}regie-officer"
        self.browser = f"{prefix}regie-browser"
        self.language = f"{prefix}regie-lang"

    def read(self, request: Request, name: str) -> str | None:
        """The cookie's value as sent: untrusted. None when absent, empty or overlong."""
        value = request.cookies.get(name)
        return value if value and len(value) <= MAX_VALUE else None

    def put(self, response: Response, name: str, value: str, *, max_age_s: int | None = None) -> None:
        """Set a cookie; without `max_age_s` (seconds) it ends with the browser."""
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", secure=not self.relaxed, httponly=True, samesite="lax"
        )

    def clear(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=not self.relaxed, httponly=True, samesite="lax")
