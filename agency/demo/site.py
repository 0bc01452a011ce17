"""What the three sites share: a page, a session in memory, and the two addresses of a login."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from agency import login
from agency.client import Client
from agency.errors import AgencyError, LoginFailed

Session = dict[str, Any]

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#c4ccd4;--accent:ACCENT}
@media(prefers-color-scheme:dark){:root{--ink:#eef1f4;--paper:#14181c;--line:#47515b;--accent:DARK}}
*{box-sizing:border-box}body{margin:0;font:1.125rem/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header{border-top:.75rem solid var(--accent);border-bottom:1px solid var(--line);padding:1rem}
main{max-width:42rem;margin:0 auto;padding:1rem}h1{line-height:1.25}header p{margin:0;font-weight:700;max-width:42rem;margin:0 auto}
a{color:var(--accent)}.go{display:inline-block;min-height:3rem;padding:.7rem 1.2rem;border:0;border-radius:.4rem;
background:var(--accent);color:var(--paper);font:inherit;font-weight:700;text-decoration:none;cursor:pointer}
dl{border-top:1px solid var(--line)}dl>div{border-bottom:1px solid var(--line);padding:.6rem 0}dt{font-weight:700}dd{margin:0;overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px}.en{opacity:.8;font-size:1rem}
"""


class Site:
    """`prefix`: of the cookie, since all demo sites share the host name localhost."""

    def __init__(self, client: Client, *, name: str, own: str, colours: tuple[str, str], prefix: str) -> None:
        self.client = client
        self.name = name
        self.own = own
        self._style = STYLE.replace("ACCENT", colours[0]).replace("DARK", colours[1])
        self._cookie = f"{prefix}-session"
        self._sessions: dict[str, Session] = {}

    def session(self, request: Request) -> Session:
        """This browser's session, or an empty one that is kept by `keep`."""
        return self._sessions.get(request.cookies.get(self._cookie, ""), {})

    def keep(self, request: Request, response: Response, session: Session) -> Response:
        """A new session id at every change: one that was planted is worth nothing."""
        self._sessions.pop(request.cookies.get(self._cookie, ""), None)
        value = secrets.token_urlsafe(32)
        self._sessions[value] = session
        while len(self._sessions) > 10_000:
            self._sessions.pop(next(iter(self._sessions)))
        response.set_cookie(self._cookie, value, httponly=True, samesite="lax", path="/")
        return response

    def login_routes(self, begin: Callable[[Session, Request], Awaitable[str]]) -> list[Route]:
        """GET /login and GET /callback. `begin` answers where to send the browser."""

        async def start(request: Request) -> Response:
            session = dict(self.session(request))
            try:
                target = await begin(session, request)
            except AgencyError:
                return self.page(
                    "Regie is nu niet bereikbaar",
                    "<p>Probeer het zo weer. <span class=en>Try again soon.</span></p>",
                    503,
                )
            return self.keep(request, RedirectResponse(target, 303), session)

        async def callback(request: Request) -> Response:
            session = dict(self.session(request))
            try:
                session["citizen"] = await login.finish(self.client, session, dict(request.query_params))
            except LoginFailed as error:
                said = "U bent niet ingelogd" if error.error == "access_denied" else "Inloggen is niet gelukt"
                page = self.page(said, '<p><a class=go href="/">Terug</a></p>', 400)
                return self.keep(request, page, session)
            except AgencyError:
                return self.page("Regie is nu niet bereikbaar", '<p><a class=go href="/">Terug</a></p>', 503)
            return self.keep(request, RedirectResponse("/", 303), session)

        return [Route("/login", start), Route("/callback", callback)]

    def page(self, title: str, body: str, status: int = 200) -> Response:
        """`body`: HTML of ours; what comes from elsewhere was escaped by `rows`."""
        home = f"{self.client.issuer}/my/consents"
        text = (
            f'<!doctype html><html lang="nl"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(title)} – {escape(self.name)}</title><style>{self._style}</style>"
            f"<header><p>{escape(self.name)}</p></header><main><h1>{escape(title)}</h1>{body}"
            f'<p><a href="{escape(home)}">Mijn toestemmingen in Regie</a> <span class=en>(my consents)</span></p></main></html>'
        )
        headers = {"cache-control": "no-store", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}
        return HTMLResponse(text, status, headers)


def rows(pairs: list[tuple[str, Any]]) -> str:
    """A definition list; everything escaped."""
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(str(value))}</dd></div>" for key, value in pairs)
    return f"<dl>{items}</dl>"
