"""The asking page, between login and code: what the registry asks, item by item; nothing chosen beforehand."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import parse_query, read_form
from base.i18n import N_, text
from base.problems import Problem
from base.web import form_action_source
from consent.interface import Question, QuestionChanged
from idp import requests
from idp.clients import SOFTWARE, Client
from idp.context import Context
from idp.endpoints import ending
from idp.endpoints.authorize import resume
from idp.endpoints.steps import open_question
from idp.errors import OAuthError
from idp.requests import Pending
from idp.sessions import Session

CHOOSE = N_("%(data)s: choose “Allow” or “Do not allow”.")


def routes(context: Context) -> list[Route]:
    page = Ask(context)
    return [Route("/ask", page.show, methods=["GET"]), Route("/ask", page.answer, methods=["POST"])]


class Ask:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        handle = parse_query(request).get("request", "")
        pending, client, session = await self._open(request, handle)
        if session is None:
            return resume(handle)
        question = await self._question(pending, client, session)
        if question is None:
            return resume(handle)
        return self._page(request, handle, pending, client, session, question, answers={}, errors={})

    async def answer(self, request: Request) -> Response:
        form = await read_form(request)
        handle = form.get("request", "")
        pending, client, session = await self._open(request, handle)
        if session is None:
            return resume(handle)
        context = self._context
        context.renderer.check_form(request, form, bound_to=session.digest)
        if form.get("stop"):
            # The citizen goes back with nothing decided.
            error = OAuthError("access_denied", "The citizen did not continue.")
            return await ending.refused(context, request, pending, client, session, error)
        question = await self._question(pending, client, session)
        if question is None:
            return resume(handle)
        language = context.renderer.language(request)
        # What was shown must be what is recorded: if the question changed meanwhile, it is shown anew.
        if form.get("notice") != self._notice(question, language):
            return self._page(request, handle, pending, client, session, question, answers={}, errors={})
        answers = {item.category: form.get(item.category, "") for item in question.items}
        _ = context.renderer.translator(request)
        errors = {
            item.category: _(CHOOSE) % {"data": text(item.name, language)}
            for item in question.items
            if answers[item.category] not in ("allow", "deny")
        }
        if errors:
            return self._page(
                request, handle, pending, client, session, question, answers=answers, errors=errors, status=400
            )
        try:
            await context.registry.answer(
                citizen=context.ring.pseudonyms.handle(session.citizen_id),
                question=question,
                answers={name: value == "allow" for name, value in answers.items()},
                language=language,
            )
        except QuestionChanged:
            return resume(handle)
        await context.database.write(lambda c: requests.mark_asked(c, pending, question.purpose))
        return resume(handle)

    async def _open(self, request: Request, handle: str) -> tuple[Pending, Client, Session | None]:
        found = await self._context.pending(request, handle)
        if found is None:
            raise Problem(400)
        return *found, await self._context.session(request)

    async def _question(self, pending: Pending, client: Client, session: Session) -> Question | None:
        try:
            return await open_question(self._context, pending, client, session)
        except OAuthError:
            return None

    def _page(
        self,
        request: Request,
        handle: str,
        pending: Pending,
        client: Client,
        session: Session,
        question: Question,
        *,
        answers: dict[str, str],
        errors: dict[str, str],
        status: int = 200,
    ) -> Response:
        context = self._context
        sources = [form_action_source(uri) for uri in client.redirect_uris]
        return context.renderer.page(
            request,
            "ask.html",
            status,
            person=context.renderer_person(session),
            form_action=sources,
            here=f"/ask?{urlencode({'request': handle})}",
            question=question,
            client_name=client.name(context.renderer.language(request)),
            is_public=client.is_public,
            by_software=client.registered_by == SOFTWARE,
            notice=self._notice(question, context.renderer.language(request)),
            handle=handle,
            elsewhere=pending.decoupled is not None,
            answers=answers,
            errors=errors,
        )

    def _notice(self, question: Question, language: str) -> str:
        return question.notice_hash(language)
