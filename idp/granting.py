"""What of the uses that a client asked its citizen allows (RFC 9396 section 7): told with tokens, and of a grant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idp.context import Context
from idp.extensions import rar


async def allowed(
    context: Context, citizen: str, agency: str, details: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The details with the data that he allows at this moment; none of what he allows nothing of. `citizen`: the handle."""
    found = []
    for one in details:
        standing = await context.registry.standing(citizen=citizen, agency=agency, requests=rar.uses([one]))
        found += [{**one, "data": list(use.data or ())} for use in standing]
    return found
