"""The security headers of every response, errors included (ASVS 3.4, Dutch API Design Rules).

Content-Security-Policy has no inline style or script anywhere: no nonce is needed, so none is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import URL

RawHeaders = list[tuple[bytes, bytes]]

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_SOURCE = re.compile(r"(https?://[A-Za-z0-9.\-\[\]:]{1,255}|[A-Za-z][A-Za-z0-9+.\-]{0,63}:)\Z")


def content_security_policy(form_action: Iterable[str] | None = (), *, frame_src: Iterable[str] = ()) -> str:
    """The policy of a page. `frame_src`: the origins of the frames in it; without any, none may be loaded.

    `form_action`: where else than here its forms may lead, as origins or `scheme:`. Chrome applies form-action to the
    redirects that follow a form post, so the login and asking pages name the client's registered redirect origin.
    None leaves the directive out: for a page whose form leads to a place that cannot be known.
    Raises ValueError for what is not a source: nothing of a client may break out of the header.
    """
    directives = [_POLICY]
    if form_action is not None:
        directives.append(" ".join(["form-action 'self'", *_checked(form_action)]))
    if frames := _checked(frame_src):
        directives.append(" ".join(["frame-src", *frames]))
    return "; ".join(directives)


def _checked(sources: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(sources))
    if not all(_SOURCE.match(source) for source in unique):
        raise ValueError("a source must be an origin or a scheme")
    return unique


def form_action_source(redirect_uri: str) -> str:
    """The form-action source that lets a form's redirect reach `redirect_uri`: its origin, or the scheme of an app."""
    url = URL(redirect_uri)
    return f"{url.scheme}://{url.netloc}" if url.scheme in {"http", "https"} else f"{url.scheme}:"


def security_headers(*, development: bool) -> RawHeaders:
    """The constants, as raw ASGI headers; a response's own value for one of them wins."""
    headers = {
        "content-security-policy": content_security_policy(),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)",
        "cache-control": "no-store",
    }
    if not development:
        headers["strict-transport-security"] = "max-age=63072000; includeSubDomains"
    return [(name.encode(), value.encode()) for name, value in headers.items()]
