"""Cross-site request forgery: a token bound to the browser, and what the browser itself says of the sender.

The token is a MAC over what the form was bound to: the session's digest when somebody is logged in, else the digest of
the browser cookie. Nothing is stored. Fetch Metadata and Origin are looked at as well (defence in depth).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hmac import compare_digest

from starlette.requests import Request

from base.problems import Problem

FIELD = "csrf_token"

Mac = Callable[[str, bytes], bytes]
"""A keyed MAC by purpose, as `keys.derive` offers: (purpose, data) → bytes."""


def token(bound_to: str, mac: Mac) -> str:
    """The form's token: 43 base64url characters. `bound_to`: digest of the session or of the browser cookie."""
    return urlsafe_b64encode(mac("csrf", bound_to.encode())[:32]).rstrip(b"=").decode()


def check(request: Request, form: Mapping[str, str], *, bound_to: str | None, mac: Mac, origin: str) -> None:
    """Refuse a form that our own page, in this very browser, did not send.

    `origin`: ours, as in the issuer. Raises Problem 403.
    """
    check_origin(request, origin=origin)
    given = form.get(FIELD, "")
    if not bound_to or not compare_digest(given.encode(), token(bound_to, mac).encode()):
        raise Problem(403, "This form is no longer valid. Open the page again.")


def check_origin(request: Request, *, origin: str) -> None:
    """Refuse what another site made this browser send (W3C Fetch Metadata). Raises Problem 403.

    `none` is the person's own doing (a reload after a restart). Origin is `null` on every form post of a page with
    Referrer-Policy no-referrer, ours among them, so `null` proves nothing: then the token alone decides.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        raise Problem(403, "This request came from another site.")
    sender = request.headers.get("origin")
    if sender is not None and sender not in {origin, "null"}:
        raise Problem(403, "This request came from another site.")
