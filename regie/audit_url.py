"""Auditing a log at an address, from its tiles alone, as anybody can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx2

from consent.ledger import tiles
from consent.ledger.checkpoint import Checkpoint, parse
from consent.ledger.tiles import Asked
from consent.ledger.verify import audit
from keys.errors import KeysError
from keys.notes import Verifier, split
from regie.commands.base import Refused


def verify(url: str, keys: Sequence[str], before: Sequence[Checkpoint]) -> dict[str, Any]:
    """What is wrong with the log at `url` (…/ledger). `before`: what one saw of it earlier."""
    try:
        verifiers = [Verifier.parse(one) for one in keys]
    except KeysError as error:
        raise Refused(str(error)) from error
    if not verifiers:
        raise Refused("give the ledger's key with --key: without one nothing that it signed can be told from a forgery")
    with httpx2.Client(timeout=20) as http:

        def get(path: str) -> bytes | None:
            answer = http.get(f"{url.rstrip('/')}/{path}")
            return answer.content if answer.status_code == 200 else None

        def fetch(asked: Asked) -> bytes | None:
            served = get(f"tile/{tiles.path(asked)}")
            if served is None or asked.level != tiles.ENTRIES:
                return served
            try:
                return tiles.unbundle(served)
            except ValueError:
                return None

        try:
            served = get("checkpoint")
            if served is None:
                raise Refused(f"there is no ledger at {url}, or it shows no checkpoint now")
            note, origin = served.decode(errors="replace"), verifiers[0].name
            seen, findings = audit(note, verifiers, origin, fetch, before)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Refused(f"the ledger at {url} does not answer") from error
    told = [{"place": one.place, "what": one.what} for one in findings]
    if seen is None:
        return {"ok": False, "findings": told}
    signed = [one.name for one in seen.signed]
    return {"ok": not findings, "origin": origin, "size": seen.checkpoint.size, "signed_by": signed, "findings": told}


def checkpoint_of(receipt: str) -> Checkpoint:
    """The checkpoint in a receipt file. Refused."""
    try:
        return parse(split(str(json.loads(receipt)["proof"]).partition("\n\n")[2])[0])
    except (ValueError, KeyError, TypeError, KeysError) as error:
        raise Refused("this receipt has no checkpoint") from error
