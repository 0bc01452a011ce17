"""Consent without asking: verify an artefact once, and then its bit in a list that you fetch now and then.

    offline = Offline(verifier, agency="municipality")
    consent = offline.read(artefact)             # signature, type, issuer, audience, end: kept in memory
    offline.take(uri, token)                     # GET consent.uri, each minute, with If-None-Match
    offline.holds(consent)                       # no connection, no signature: a bit

What is kept is what was proven, never the answer: each `holds` decides anew, and the end comes before the bit.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agency.errors import InvalidToken
from agency.jose import LEEWAY_S, Verifier

ARTEFACT, LIST = "consent+jwt", "statuslist+jwt"
MAX_BYTES = 2**20
"""Of a list's bits; more is refused while it is being unpacked."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What an artefact proves. `exp`: seconds since 1970. `uri`, `idx`: which bit of which list tells its end."""

    id: str
    sub: str
    purpose: str
    purpose_version: int
    data: tuple[str, ...]
    exp: int
    uri: str
    idx: int


@dataclass(frozen=True, slots=True)
class _Bits:
    bits: bytes
    made_at: int
    until: int


class Offline:
    """`max_age_s`: how old a list may be that still counts; the registry's own end of it counts too."""

    def __init__(
        self, verifier: Verifier, agency: str, *, max_age_s: int = 3600, now: Callable[[], float] = time.time
    ) -> None:
        self._verifier = verifier
        self._agency = agency
        self._max_age_s = max_age_s
        self._now = now
        self._lists: dict[str, _Bits] = {}

    def read(self, artefact: str) -> Consent:
        """Believe an artefact, or InvalidToken. Whether it holds is `holds`."""
        claims = self._verifier.verify(artefact, typ=ARTEFACT, audience=self._agency, leeway_s=0)
        try:
            place = claims["status"]["status_list"]
            consent = Consent(
                claims["jti"],
                claims["sub"],
                claims["purpose"],
                claims["purpose_version"],
                tuple(claims["data"]),
                claims["exp"],
                place["uri"],
                place["idx"],
            )
        except (KeyError, TypeError) as error:
            raise InvalidToken("no artefact of a consent") from error
        if not isinstance(consent.uri, str) or type(consent.idx) is not int or consent.idx < 0:
            raise InvalidToken("no place in a status list")
        return consent

    def take(self, uri: str, token: str) -> None:
        """A list, as it was fetched from `uri`. InvalidToken; an older one than is here is left aside."""
        claims = self._verifier.verify(token, typ=LIST, audience=None, leeway_s=0)
        if claims.get("sub") != uri:
            raise InvalidToken("another list")
        known = self._lists.get(uri)
        if known is None or claims["iat"] >= known.made_at:
            self._lists[uri] = _Bits(_unpacked(claims.get("status_list")), claims["iat"], claims["exp"])

    def holds(self, consent: Consent) -> bool:
        """Whether it holds now, by what is here: False when it ended, when its bit is set, and without a fresh list."""
        now = self._now()
        if now >= consent.exp:
            return False
        known = self._lists.get(consent.uri)
        if known is None or now >= known.until or now - known.made_at > self._max_age_s:
            return False
        # A clock that is behind what was signed already was set back: it would make everything last longer.
        if now < known.made_at - LEEWAY_S:
            return False
        place = consent.idx >> 3
        return place < len(known.bits) and not known.bits[place] >> (consent.idx & 7) & 1


def _unpacked(status_list: Any) -> bytes:
    """1 bit a status, the lowest first (draft-ietf-oauth-status-list section 4.1)."""
    try:
        if status_list["bits"] != 1:
            raise InvalidToken("a list of other bits")
        text = status_list["lst"]
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        stream = zlib.decompressobj()
        bits = stream.decompress(packed, MAX_BYTES)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise InvalidToken("no status list") from error
    if not stream.eof or stream.unconsumed_tail:
        raise InvalidToken("a list that is too large, or cut off")
    return bits
