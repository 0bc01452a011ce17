"""Verifying a receipt: by the toolkit's own verifier, which needs nothing of this house."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import HTTPException
from typing import Any

from agency import receipt
from regie.commands.base import Refused


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
