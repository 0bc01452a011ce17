"""Auditing a log at an address, from its tiles alone, as anybody can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from consent.ledger import tiles
from consent.ledger.tiles import Asked
from consent.ledger.verify import audit
from keys.errors import KeysError
from keys.notes import Verifier
from regie.commands.base import Refused
from regie.receipts import signed

MOST = 128 * 1024
"""Bytes of an answer: a tile has 8 KiB, a checkpoint 64 at most."""


def verify(url: str, keys: Sequence[str], before: Sequence[str]) -> dict[str, Any]:
    """What is wrong with the log at `url` (…/ledger). `before`: checkpoints that one saw of it earlier, as it signed them."""
    try:
        verifiers = [Verifier.parse(one) for one in keys]
    except KeysError as error:
        raise Refused(str(error)) from error
    if not verifiers:
        raise Refused("give the ledger's key with --key: without one nothing that it signed can be told from a forgery")
    seen_before = [signed(one, lambda _origin: verifiers) for one in before]
    try:
        with httpx2.Client(timeout=20, headers={"accept-encoding": "identity"}) as http:
            log = _Log(http, url.rstrip("/"))
            served = log.get("checkpoint")
            if served is None:
                raise Refused(f"there is no ledger at {url}, or it shows no checkpoint now")
            note, origin = served.decode(errors="replace"), verifiers[0].name
            seen, findings = audit(note, verifiers, origin, log.fetch, seen_before)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Refused(f"the ledger at {url} does not answer") from error
    told = [{"place": one.place, "what": one.what} for one in findings]
    if seen is None:
        return {"ok": False, "findings": told}
    names = [one.name for one in seen.signed]
    return {"ok": not findings, "origin": origin, "size": seen.checkpoint.size, "signed_by": names, "findings": told}


@dataclass(frozen=True, slots=True)
class _Log:
    """What stands at an address, as far as it has the size of a log's."""

    http: httpx2.Client
    url: str

    def get(self, path: str) -> bytes | None:
        with self.http.stream("GET", f"{self.url}/{path}") as answer:
            if answer.status_code != 200:
                return None
            body = b""
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > MOST:
                    return None
            return body

    def fetch(self, asked: Asked) -> bytes | None:
        served = self.get(f"tile/{tiles.path(asked)}")
        if served is None or asked.level != tiles.ENTRIES:
            return served
        try:
            return tiles.unbundle(served)
        except ValueError:
            return None
