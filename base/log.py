"""The log: a closed list of members, JSON lines to standard error. Never tokens, names, numbers."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    {"event", "level", "timestamp", "request_id", "client_id", "agency", "kind", "seq", "error", "reason", "places"}
    | {"kid", "alg", "state", "count", "seconds", "address", "service", "consent", "purpose", "revision", "detail"}
)
"""Members that may be logged: ids and pseudonyms, counts and codes."""

_MAX = 300


def _allow(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _clean(value) for name, value in event.items() if name in ALLOWED}


def _clean(value: Any) -> Any:
    """Text without line breaks, escapes or direction marks: nobody writes a second line or colours a terminal."""
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if not isinstance(value, str):
        return value
    return "".join(character if character.isprintable() else "?" for character in value[:_MAX])


structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _allow,
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    cache_logger_on_first_use=False,
)

log = structlog.get_logger("regie")


def quiet() -> None:
    """Only errors from here on: for a terminal that a person reads."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
