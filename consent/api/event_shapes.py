"""What goes over the wire at /consent/v1/event-streams, as types."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from consent.api.shapes import END, words
from consent.events import sets
from consent.events.polling import MOST

Kind = Literal[
    "consent-given", "consent-changed", "consent-withdrawn", "consent-used", "consent-expired", "complaint-sent",
    "request-answered", "request-closed",
]  # fmt: skip
Jti = Annotated[str, msgspec.Meta(pattern=f"^[A-Za-z0-9_-]{{22}}{END}", max_length=22)]
Most = Annotated[float, msgspec.Meta(ge=0, le=1_000_000, multiple_of=1)]
"""A whole number: see consent.api.shapes.Version."""


class StreamRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What you want to hear. `events`: all, if you do not say. `status`: while paused, what happens waits.

    `endpoint`: where each event is posted to (RFC 8935); without it you poll.
    """

    events: Annotated[list[Kind], msgspec.Meta(min_length=1, max_length=len(sets.KINDS))] = msgspec.field(
        default_factory=lambda: list(sets.KINDS)  # type: ignore[arg-type]  # the same eight
    )
    status: Literal["enabled", "paused"] = "enabled"
    endpoint: Annotated[str, msgspec.Meta(pattern=f"^https?://[!-~]+{END}", max_length=2_000)] | None = None


class StreamAnswer(msgspec.Struct, rename="camel"):
    """`pollEndpoint`: RFC 8936, also of a stream that is pushed. `waiting`: events that you have not taken.

    `status`: parked, of a stream whose endpoint failed for days; it is tried again when you say anew what you want.
    `lastError`: why it failed last, since `failingSince`. `deletedFrom`: when the first of what waits is deleted, if you
    do not take it; `lost`: how many were, of which the event `events-lost` tells you.
    """

    id: str
    events: list[str]
    status: Literal["enabled", "paused", "parked"]
    poll_endpoint: str
    waiting: int
    created_at: str
    endpoint: str | None
    failing_since: str | None
    last_error: str
    deleted_from: str | None
    lost: int


class StreamList(msgspec.Struct):
    streams: list[StreamAnswer]


class SetError(msgspec.Struct, forbid_unknown_fields=True):
    """Why you could not take a token (RFC 8936 section 2.6). The description is not kept."""

    err: Annotated[str, msgspec.Meta(pattern=f"^[a-zA-Z_-]{{1,64}}{END}", max_length=64)]
    description: Annotated[str, words(max_length=1_000)] = ""


class PollRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """RFC 8936 section 2.2. `maxEvents`: 100 at most; 0 acknowledges and asks nothing."""

    max_events: Most = MOST
    return_immediately: bool = False
    acks: Annotated[list[Jti], msgspec.Meta(max_length=1_000)] = []
    set_errs: Annotated[dict[Jti, SetError], msgspec.Meta(max_length=1_000)] = {}


class PollAnswer(msgspec.Struct, rename="camel"):
    """`sets`: Security Event Tokens by their jti, in the order in which things happened."""

    sets: dict[str, str]
    more_available: bool


class VerificationRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`state`: comes back in the event."""

    state: Annotated[str, msgspec.Meta(pattern=f"^[ -~]*{END}", max_length=200)] = ""


class VerificationAnswer(msgspec.Struct):
    jti: str


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`since`: the jti of the last event that you still have; without it, all that is kept (30 days)."""

    since: Jti | None = None


class ReplayAnswer(msgspec.Struct):
    """How many events you have acknowledged before wait again."""

    events: int


class Delivery(msgspec.Struct):
    """One event of a stream. `status`: refused, with the `error` that you gave; a replay brings it back."""

    jti: str
    event: str
    at: str
    status: Literal["waiting", "taken", "refused"]
    error: str


class DeliveryList(msgspec.Struct):
    """The newest 100, newest first."""

    deliveries: list[Delivery]
