"""Authorization responses: how `code`, or an error, reaches the client. One table of modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.problems import Problem
from base.web import form_action_source
from idp.checks import RESPONSE_MODES
from idp.clients import Client
from idp.context import Context
from idp.errors import OAuthError
from idp.tokens.responses import AUTHORIZATION, LIFE_S, NoKey, write

REDIRECT, POST = "redirect", "post"
MODES = {mode: (POST if mode.startswith("form_post") else REDIRECT, mode.endswith("jwt")) for mode in RESPONSE_MODES}
"""Way, and whether it is signed (OAuth 2.0 Form Post Response Mode; JARM section 2.3)."""


def respond(
    context: Context,
    request: Request,
    client: Client,
    target: str,
    form: Mapping[str, str],
    members: Mapping[str, str | None],
) -> Response:
    """To the client, with `state` and `iss` in every response, granted or not (RFC 9207).

    `target`: proven before. `form`: the request that is answered; an unknown response_mode is answered by query.
    """
    given: dict[str, Any] = {name: value for name, value in members.items() if value}
    if form.get("state"):
        given["state"] = form["state"]
    way, signed = MODES.get(form.get("response_mode", "query"), MODES["query"])
    given = {"response": _signed(context, client, given)} if signed else {**given, "iss": context.issuer}
    if way == POST:
        return context.renderer.page(
            request, "form_post.html", form_action=[form_action_source(target)], target=target, members=given
        )
    joint = "&" if urlsplit(target).query else "?"
    # 303: a form's content is never sent on to the client (RFC 9700 section 4.12).
    return RedirectResponse(f"{target}{joint}{urlencode(given)}", 303)


def refuse(
    context: Context, request: Request, client: Client, target: str, form: Mapping[str, str], error: OAuthError
) -> Response:
    members = {"error": error.error, "error_description": error.description}
    return respond(context, request, client, target, form, members)


def _signed(context: Context, client: Client, members: Mapping[str, Any]) -> str:
    at = int(context.now().timestamp())
    claims = {"iss": context.issuer, "aud": client.client_id, "iat": at, "exp": at + LIFE_S, **members}
    try:
        return write(context.ring, client, AUTHORIZATION, claims)
    except NoKey as error:
        raise Problem(400) from error
