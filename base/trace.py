"""W3C Trace Context: which processing this is a part of, as who called us said it, and as we say it to whom we call.

A trace that nobody sent us begins here, with random numbers: nothing in it is made from a person.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from dataclasses import dataclass

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
MAX_STATE = 512
_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_STATE = re.compile(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Trace:
    """`id`: 16 bytes. `parent`: the 8 bytes of the caller's span; None: the trace begins here. `state`: passed on."""

    id: bytes
    parent: bytes | None = None
    state: str = ""


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read(headers: list[tuple[bytes, bytes]]) -> Trace | None:
    """The trace that a request says it is a part of. None when it says none, or says it wrongly: then a new one begins.

    W3C Trace Context section 3.2: one header; a version we do not know is read as far as we know it, and `ff`, upper
    case and numbers of nothing but zeros are invalid.
    """
    values = [value for name, value in headers if name == b"traceparent"]
    found = _FORM.fullmatch(values[0].strip(b" \t")) if len(values) == 1 else None
    if found is None:
        return None
    version, trace, parent, _flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more) or not trace.strip(b"0") or not parent.strip(b"0"):
        return None
    state = b",".join(value for name, value in headers if name == b"tracestate")
    known = state.decode() if len(state) <= MAX_STATE and _STATE.fullmatch(state) else ""
    return Trace(bytes.fromhex(trace.decode()), bytes.fromhex(parent.decode()), known)


def enter(headers: list[tuple[bytes, bytes]]) -> None:
    """From here on, in this task, everything is part of the trace that these headers name, or of a new one."""
    _current.set(read(headers) or Trace(os.urandom(16)))


def current() -> Trace:
    """What this unit of work is part of; outside any request the first who asks begins a trace, for the unit alone."""
    trace = _current.get()
    if trace is None:
        trace = Trace(os.urandom(16))
        _current.set(trace)
    return trace


def span() -> bytes:
    """A new number for one act: 8 bytes."""
    return os.urandom(8)


def sent() -> dict[str, str]:
    """The headers by which whom we call takes part. All is recorded: the flag is always 01.

    Outside any request each call begins a trace of its own: what a worker sends to two agencies has no number in common.
    """
    trace = _current.get() or Trace(os.urandom(16))
    told = {TRACEPARENT: f"00-{trace.id.hex()}-{span().hex()}-01"}
    return {**told, TRACESTATE: trace.state} if trace.state else told
