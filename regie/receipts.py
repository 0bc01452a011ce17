"""Verifying a receipt by the toolkit's own verifier, which needs nothing of this house; and what it shows of a ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any

from agency import receipt
from consent.ledger.checkpoint import Checkpoint, open_checkpoint, parse
from keys.errors import KeysError
from keys.notes import Verifier, split
from regie.refusal import Refused


def verify(
    file: bytes, keys: Sequence[str], *, jwks: bytes | None, witnesses: Sequence[str], quorum: int, ledger: str
) -> dict[str, Any]:
    """What is proven. Refused with the step that failed. `ledger`: ask it too whether it goes on from there."""
    try:
        proven = receipt.verify(file, keys, jwks=jwks, witnesses=witnesses, quorum=quorum)
        now = receipt.still_there(proven, ledger, keys) if ledger else None
    except receipt.NotProven as error:
        raise Refused(f"not proven: {error}") from error
    except (HTTPException, ValueError) as error:
        raise Refused(f"the ledger at {ledger} does not answer") from error
    told = {"verified": True, **receipt.told_of(proven)}
    return {**told, "size_today": now.size} if now is not None else told


def checkpoint_of(file: bytes) -> str:
    """The checkpoint in a receipt file, a signed note. Refused."""
    try:
        return str(json.loads(file)["proof"]).partition("\n\n")[2]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("this is no receipt file") from error


def signed(note: str, verifiers: Callable[[str], Sequence[Verifier]]) -> Checkpoint:
    """A checkpoint that the log itself signed: what anybody may have written accuses nobody. Refused.

    `verifiers`: the keys of a log, by its origin.
    """
    try:
        origin = parse(split(note)[0]).origin
        return open_checkpoint(note, verifiers(origin), origin=origin)[0]
    except KeysError as error:
        raise Refused(f"a checkpoint that was seen before proves nothing about this ledger: {error}") from error
