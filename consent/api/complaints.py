"""/consent/v1/complaints: what citizens wrote to the calling agency about a use of their data, and its answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Connection
from base.forms import no_query
from base.problems import Problem
from consent.api import effects
from consent.api.shapes import answer, read, words
from consent.callers import Callers
from consent.complaining import MOST_TEXT, About, Complaint, Complaints
from consent.registry import Registry
from keys.seal import Sealer

SCOPE = "consent:complaint"
PATH = "/consent/v1/complaints"
Kind = Literal["complaint", "erasure"]
Acting = Literal["self", "guardian"]
State = Literal["sent", "seen", "answered"]
Outcome = Literal["done", "partly", "declined"]


class ComplaintItem(msgspec.Struct, rename="camel"):
    """`kind`: erasure asks to delete (GDPR art. 17). `dueOn`: the last day for your answer (art. 12(3)). `acting`: who wrote."""

    id: str
    kind: Kind
    acting: Acting
    state: State
    sent_at: str
    due_on: str


class ComplaintList(msgspec.Struct):
    """What waits for your answer, oldest first; at most 100."""

    complaints: list[ComplaintItem]


class UseItem(msgspec.Struct, rename="camel"):
    """The use, or the attempt that was denied, that it is about. `permitId`: of the permit that you were given."""

    at: str
    purpose: str
    data: list[str]
    decision: Literal["allowed", "denied"]
    permit_id: str | None


class ComplaintAnswer(msgspec.Struct, rename="camel"):
    """`sub`: the citizen as you know him. `text`: what he wrote, or a guardian for him (`acting`). `outcome`, `answer`: yours, when you gave it."""

    id: str
    kind: Kind
    acting: Acting
    state: State
    sent_at: str
    due_on: str
    sub: str
    text: str
    use: UseItem
    outcome: Outcome | None
    answer: str
    answered_at: str | None


class ComplaintReply(msgspec.Struct, forbid_unknown_fields=True):
    """`outcome`: what you did of what he asks. `text`: for the citizen to read, in words that he understands; with a letter or a digit at least."""

    outcome: Outcome
    text: Annotated[str, words(max_length=MOST_TEXT, sign="[0-9A-Za-zÀ-ɏ]")]


class ComplaintReplied(msgspec.Struct):
    complaint: str
    state: Literal["answered"]


def routes(registry: Registry, complaints: Complaints, callers: Callers, sealer: Sealer) -> list[Route]:
    async def waiting(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        no_query(request)
        return answer(ComplaintList([_item(one) for one in await complaints.waiting(caller.agency)]))

    async def fetch(request: Request) -> Response:
        """That it was seen is no more than what happened: the citizen is told."""
        caller = await callers.require(request, SCOPE)
        no_query(request)
        found = await complaints.fetch(request.path_params["complaint"], caller.agency)
        if found is None:
            raise _unknown()
        return answer(_whole(*found))

    async def reply(request: Request) -> Response:
        caller = await callers.require(request, SCOPE)
        body, complaint = await read(request, ComplaintReply), request.path_params["complaint"]

        def effect(connection: Connection) -> tuple[int, bytes]:
            done = complaints.answer(connection, complaint, caller.agency, body.outcome, body.text)
            if done == "unknown":
                raise _unknown()
            if done == "before":
                raise Problem(409, "This was answered before.")
            return 201, msgspec.json.encode(ComplaintReplied(complaint, "answered"))

        return await effects.run(registry, sealer, request, caller, body, effect)

    return [
        Route(PATH, waiting, methods=["GET"]),
        effects.telling(f"{PATH}/{{complaint}}", fetch),
        Route(f"{PATH}/{{complaint}}/answers", reply, methods=["POST"]),
    ]


def _unknown() -> Problem:
    return Problem(404, "There is no complaint of this id.")


def _item(one: Complaint) -> ComplaintItem:
    stored = one.stored
    return ComplaintItem(
        stored.id,
        stored.kind,  # type: ignore[arg-type]  # one of the two
        stored.acting,  # type: ignore[arg-type]  # one of the two
        stored.state,  # type: ignore[arg-type]  # one of the three
        effects.time(stored.sent_at),
        one.due.isoformat(),
    )


def _whole(one: Complaint, about: About, sub: str) -> ComplaintAnswer:
    stored, item = one.stored, _item(one)
    return ComplaintAnswer(
        item.id,
        item.kind,
        item.acting,
        item.state,
        item.sent_at,
        item.due_on,
        sub,
        one.text,
        UseItem(
            effects.time(about.at),
            about.purpose,
            list(about.categories),
            about.decision,  # type: ignore[arg-type]  # one of the two
            about.permit,
        ),
        stored.outcome,  # type: ignore[arg-type]  # one of the three, or none
        one.answer,
        effects.time(stored.answered_at) if stored.answered_at is not None else None,
    )
