"""Verifying a receipt with nothing but itself and the registry's public keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from consent.receipts import TYP
from keys import jose
from keys.errors import InvalidToken, WeakKey
from keys.jwks import check_set, source
from regie.commands.base import Refused


def verify(receipt: str, jwks: bytes) -> dict[str, Any]:
    """What the receipt says, once its signature holds. Refused otherwise."""
    try:
        keys = source(check_set(msgspec.json.decode(jwks)))
        claims = jose.verify(
            receipt,
            keys=keys,
            typ=frozenset({TYP}),
            algorithms=frozenset({"ES256"}),
            now=datetime.now(UTC),
            exp_required=False,
        )
    except (InvalidToken, WeakKey, msgspec.DecodeError) as error:
        raise Refused("this is no receipt signed by these keys, or it was altered") from error
    return {"verified": True, "receipt": dict(claims)}
