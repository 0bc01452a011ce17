"""Auditing a log at an address, from its tiles alone, as anybody can."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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


def verify(url: str, keys: Sequence[str], before: Sequence[str], seen_at: Path | None = None) -> dict[str, Any]:
    """What is wrong with the log at `url` (…/ledger). `before`: checkpoints that one saw of it earlier, as it signed them.

    `seen_at`: a file with the last one that was found right, which the log must go on from; this one takes its place.
    """
    try:
        verifiers = [Verifier.parse(one) for one in keys]
    except KeysError as error:
        raise Refused(str(error)) from error
    if not verifiers:
        raise Refused("give the ledger's key with --key: without one nothing that it signed can be told from a forgery")
    known = [seen_at.read_text()] if seen_at is not None and seen_at.exists() else []
    seen_before = [signed(one, lambda _origin: verifiers) for one in (*before, *known)]
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
    if not findings and seen_at is not None:
        _remember(seen_at, note)
    names = [one.name for one in seen.signed]
    return {"ok": not findings, "origin": origin, "size": seen.checkpoint.size, "signed_by": names, "findings": told}


def _remember(file: Path, note: str) -> None:
    """Whole or not at all: a memory that was cut off would accuse, or forget."""
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as written:
        written.write(note)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)


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
