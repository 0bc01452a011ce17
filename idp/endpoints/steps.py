"""What a request needs next of its citizen, with what the registry and the session say: decided by idp.authorization."""

from __future__ import annotations

from consent.interface import ConsentError, Question
from idp import authorization, checks
from idp.authorization import Wanted
from idp.clients import Client
from idp.context import Context
from idp.errors import OAuthError
from idp.extensions import grant_management, rar
from idp.requests import Pending
from idp.sessions import Session
from idp.tokens import read
from keys.errors import InvalidToken


async def step(context: Context, pending: Pending, client: Client, session: Session | None) -> str:
    """LOGIN, SELECT, CONFIRM, ASK or DONE. OAuthError when the request forbids the step that is needed."""
    question, meant = None, True
    if session is not None:
        meant = await is_meant(context, pending, client, session)
        question = await open_question(context, pending, client, session) if meant else None
    has_question = question is not None
    return authorization.next_step(
        pending, client, session, is_meant=meant, has_question=has_question, now=context.now()
    )


async def is_meant(context: Context, pending: Pending, client: Client, session: Session) -> bool:
    """Whether this is the citizen of the request: whom the client's hint, its demand for a `sub` or its grant means."""
    form = pending.parameters
    named = pending.decoupled.citizen if pending.decoupled is not None else None
    if named not in (None, context.ring.pseudonyms.handle(session.citizen_id)):
        return False
    demanded = (checks.read_claims(form.get("claims")).get("id_token", {}).get("sub") or {}).get("value")
    subs = {str(demanded)} if demanded is not None else set()
    if "id_token_hint" in form:
        try:
            hint = read.hint(context.ring, form["id_token_hint"], issuer=context.issuer, now=context.now())
        except InvalidToken:
            return False
        subs.add(hint["sub"] if hint["aud"] == client.client_id else "")
    if not subs <= {context.minter.sub(session.citizen_id, client)}:
        return False
    # A grant is amended by the citizen who gave it.
    grant = await context.database.read(lambda c: grant_management.named(c, pending.client_id, form))
    return grant is None or grant.citizen == session.citizen_id


async def open_question(context: Context, pending: Pending, client: Client, session: Session) -> Question | None:
    """The next question of the registry for this request. OAuthError when what is asked in so many words cannot be.

    Who is too young to answer alone (GDPR art. 8) is asked nothing: he logs in, and what needs his permission is denied.
    """
    wanted: Wanted = authorization.wanted(client, pending.parameters)
    if not wanted.uses:
        return None
    citizen = context.ring.pseudonyms.handle(session.citizen_id)
    anew = "consent" in pending.parameters.get("prompt", "").split()
    try:
        question = await context.registry.question(
            citizen=citizen, agency=client.agency, requests=wanted.uses, answered=pending.asked, anew=anew
        )
        return question if context.is_of_age(session) else None
    except ConsentError as error:
        if wanted.details:
            raise OAuthError("invalid_authorization_details", rar.told(error)) from error
        # Plain claims are best effort: without a purpose that covers them they are simply not released.
        return None


async def all_asked(context: Context, pending: Pending, client: Client, session: Session) -> list[Question]:
    """All that the request asks, also what was answered before: to show, not to answer."""
    citizen = context.ring.pseudonyms.handle(session.citizen_id)
    found = []
    for use in authorization.wanted(client, pending.parameters).uses:
        try:
            question = await context.registry.question(
                citizen=citizen, agency=client.agency, requests=[use], answered=(), anew=True
            )
        except ConsentError:
            continue
        if question is not None:
            found.append(question)
    return found
