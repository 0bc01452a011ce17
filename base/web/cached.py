"""Bytes that are the same for everyone: discovery, JWKS, the OpenAPI document, static files.

They are answered before routing from header lists made once, with a strong ETag (RFC 9110 section 8.8.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from base.web.headers import RawHeaders


@dataclass(slots=True)
class Cached:
    """A document: `source` is its bytes, or gives them (and gives the *same object* until they change).

    `max_age_s`: how long others may keep it, seconds. `immutable`: its address changes with its content.
    `views`: other documents at this address, by their whole query.
    `public`: any site's script may read it (CORS `*`); for metadata, JWKS and openapi.json alone.
    """

    source: bytes | Callable[[], bytes]
    media_type: str = "application/json"
    max_age_s: int = 300
    immutable: bool = False
    public: bool = True
    extra: RawHeaders = field(default_factory=list)
    views: Mapping[bytes, Cached] | None = None
    _body: bytes | None = None
    _etag: bytes = b""
    _full: RawHeaders = field(default_factory=list)
    _unchanged: RawHeaders = field(default_factory=list)

    def of(self, query: bytes) -> Cached | None:
        """The view that a query asks for; None when it asks for one that is not here. Other queries change nothing."""
        if self.views is None or not query.startswith(b"profile="):
            return self
        return self.views.get(query)

    def prepared(self, security: RawHeaders) -> tuple[bytes, bytes, RawHeaders, RawHeaders]:
        """Body, ETag, headers of a 200 and of a 304. Made anew only when the bytes are another object."""
        source = self.source
        body = source if type(source) is bytes else source()  # type: ignore[operator]
        if body is not self._body:
            self._prepare(body, security)
        return body, self._etag, self._full, self._unchanged

    def _prepare(self, body: bytes, security: RawHeaders) -> None:
        self._etag = b'"' + sha256(body).hexdigest()[:32].encode() + b'"'
        lifetime = f"public, max-age={self.max_age_s}" + (", immutable" if self.immutable else "")
        own: RawHeaders = [(b"etag", self._etag), (b"cache-control", lifetime.encode()), *self.extra]
        if self.public:
            own += [(b"access-control-allow-origin", b"*"), (b"cross-origin-resource-policy", b"cross-origin")]
        names = {name for name, _ in own}
        self._unchanged = own + [header for header in security if header[0] not in names]
        self._full = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            *self._unchanged,
        ]
        self._body = body


def unchanged(etag: bytes, if_none_match: bytes) -> bool:
    """Whether the caller already has these bytes (weak comparison, RFC 9110 section 13.1.2)."""
    if if_none_match == etag:
        return True
    return any(part.strip().removeprefix(b"W/") in (etag, b"*") for part in if_none_match.split(b",", 20)[:20])
