"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Progress = Callable[[dict[str, Any]], None]


class Refused(Exception):
    """The command cannot be done; the message says why and what to do."""
