"""What the three sites share: a page in two languages, a session in memory, and the addresses of a login."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from agency import login
from agency.client import Client
from agency.errors import AgencyError, LoginFailed

Session = dict[str, Any]
Say = Callable[[str, str], str]
"""Dutch and English in, the reader's language out."""

LANGUAGE = "demo-language"
MONTHS = {
    "nl": "januari,februari,maart,april,mei,juni,juli,augustus,september,oktober,november,december",
    "en": "January,February,March,April,May,June,July,August,September,October,November,December",
}
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#4b545d;--paper:#fff;--line:#c4ccd4;--accent:ACCENT}
@media(prefers-color-scheme:dark){:root{--ink:#eef1f4;--soft:#b9c3cc;--paper:#14181c;--line:#47515b;--accent:DARK}}
*{box-sizing:border-box}body{margin:0;font:1.125rem/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper);
overflow-wrap:anywhere}header{border-top:.75rem solid var(--accent);border-bottom:1px solid var(--line)}
header div,main,footer{max-width:44rem;margin:0 auto;padding:.5rem 1rem}main{padding-block:1rem 2rem}h1{line-height:1.25}
header div{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:center;gap:0 .5rem}
header b{padding-block:.75rem;font-size:1.0625rem}header a,header span{display:inline-flex;min-width:2.75rem;min-height:3rem;align-items:center;
justify-content:center}header span{font-weight:700}a{color:var(--accent)}p{max-width:40rem}.lead{font-size:1.25rem}
.go{display:inline-block;min-height:3rem;padding:.7rem 1.2rem;border:2px solid var(--accent);border-radius:.4rem;
background:var(--accent);color:var(--paper);font:inherit;font-weight:700;text-decoration:none;cursor:pointer}
.second{background:none;color:var(--accent)}.row{display:flex;flex-wrap:wrap;gap:.75rem}
dl{border-top:1px solid var(--line)}dl>div{border-bottom:1px solid var(--line);padding:.6rem 0}dt{font-weight:700}dd{margin:0}
:focus-visible{outline:3px solid var(--ink);outline-offset:3px}small,footer{color:var(--soft);font-size:1rem}
footer{border-top:1px solid var(--line)}
"""
ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Crect width='16' height='16' rx='4' fill='{}'/%3E%3C/svg%3E"


class Site:
    """`name`: Dutch and English. `prefix`: of the cookie, since all demo sites share the host name localhost."""

    def __init__(
        self, client: Client, *, name: tuple[str, str], own: str, colours: tuple[str, str], prefix: str
    ) -> None:
        self.client = client
        self.name = name
        self.own = own
        self._style = STYLE.replace("ACCENT", colours[0]).replace("DARK", colours[1])
        self._icon = ICON.format(colours[0].replace("#", "%23"))
        self._cookie = f"{prefix}-session"
        self._sessions: dict[str, Session] = {}

    def app(self, routes: list[BaseRoute], *, lifespan: Any = None) -> Starlette:
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: self._nowhere})

    def language(self, request: Request) -> str:
        """What the reader chose here, else what the browser asks for first, else Dutch."""
        wanted = request.cookies.get(LANGUAGE) or request.headers.get("accept-language", "")
        return "en" if wanted.lower().startswith("en") else "nl"

    def say(self, request: Request) -> Say:
        english = self.language(request) == "en"
        return lambda dutch, in_english: in_english if english else dutch

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

    def login_routes(self, begin: Callable[[Session, Request], Awaitable[str]]) -> list[BaseRoute]:
        """/login, /callback, /logout and /language. `begin` answers where to send the browser."""

        async def start(request: Request) -> Response:
            session = dict(self.session(request))
            try:
                target = await begin(session, request)
            except AgencyError:
                return self._unreachable(request)
            return self.keep(request, RedirectResponse(target, 303), session)

        async def callback(request: Request) -> Response:
            session, say = dict(self.session(request)), self.say(request)
            try:
                session["citizen"] = await login.finish(self.client, session, dict(request.query_params))
            except LoginFailed as error:
                if error.error == "access_denied":
                    said = say("U bent niet ingelogd", "You are not logged in")
                    why = say("U stopte voordat u klaar was.", "You stopped before you had finished.")
                else:
                    said = say("Inloggen is niet gelukt", "Logging in did not work")
                    why = say("Probeer het nog een keer.", "Please try once more.")
                page = self.page(request, said, f"<p>{why}</p><p>{self.button(say)}</p>", 400)
                return self.keep(request, page, session)
            except AgencyError:
                return self._unreachable(request)
            return self.keep(request, RedirectResponse("/", 303), session)

        async def leave(request: Request) -> Response:
            """Log out here; at Regie and elsewhere the citizen stays logged in."""
            return self.keep(request, RedirectResponse("/", 303), {})

        async def choose(request: Request) -> Response:
            response = RedirectResponse("/", 303)
            response.set_cookie(LANGUAGE, request.path_params["code"][:2], samesite="lax", max_age=31_536_000)
            return response

        return [
            Route("/login", start),
            Route("/callback", callback),
            Route("/logout", leave, methods=["POST"]),
            Route("/language/{code}", choose),
        ]

    def button(self, say: Say) -> str:
        return f'<a class=go href="/login">{say("Inloggen met Regie", "Log in with Regie")}</a>'

    def known_as(self, say: Say, sub: str) -> tuple[str, str, str]:
        """A row for `rows`: the pseudonym, and what it is."""
        return (
            say("Zo kennen wij u", "How we know you"),
            sub,
            say(
                "Een pseudoniem dat alleen wij hebben. Elke andere organisatie kent u onder een ander.",
                "A pseudonym that only we have. Every other organisation knows you by another one.",
            ),
        )

    def page(self, request: Request, title: str, body: str, status: int = 200) -> Response:
        """`body`: HTML of ours; what comes from elsewhere was escaped by `rows`."""
        language, say = self.language(request), self.say(request)
        name, regie = escape(say(*self.name)), escape(self.client.issuer)
        choices = "".join(
            f"<span>{code.upper()}</span>"
            if code == language
            else f'<a href="/language/{code}" lang={code} title="{full}">{code.upper()}</a>'
            for code, full in (("nl", "Nederlands"), ("en", "English"))
        )
        leave = say("Hier uitloggen", "Log out here")
        out = f'<form method=post action="/logout"><button class="go second">{leave}</button></form>'
        text = (
            f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)} – {name}</title>'
            f'<link rel="icon" href="{self._icon}"><style>{self._style}</style>'
            f"<header><div><b>{name}</b><nav>{choices}</nav></div></header><main><h1>{escape(title)}</h1>{body}"
            f'<p><a href="{regie}/my/consents">{say("Mijn toestemmingen in Regie", "My consents in Regie")}</a><br>'
            f'<a href="{regie}/my/history">{say("Wie gebruikte mijn gegevens", "Who used my data")}</a></p>'
            f"{out if 'citizen' in self.session(request) else ''}</main><footer><p>"
            f"{say('Deze organisatie is verzonnen, om te laten zien hoe Regie werkt.', 'This organisation is invented, to show how Regie works.')}"
            f"</p></footer></html>"
        )
        headers = {"cache-control": "no-store", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}
        headers |= {"vary": "Cookie, Accept-Language", "content-language": language}
        return HTMLResponse(text, status, headers)

    def _unreachable(self, request: Request) -> Response:
        say = self.say(request)
        body = f'<p>{say("Probeer het zo weer.", "Try again soon.")}</p><p><a class=go href="/">{say("Terug", "Back")}</a></p>'
        return self.page(request, say("Regie is nu niet bereikbaar", "Regie cannot be reached now"), body, 503)

    async def _nowhere(self, request: Request, _error: Exception) -> Response:
        say = self.say(request)
        body = f'<p><a class=go href="/">{say("Naar het begin", "To the start")}</a></p>'
        return self.page(request, say("Deze pagina bestaat niet", "This page does not exist"), body, 404)


def rows(items: list[tuple[str, ...]]) -> str:
    """A definition list of label, value and perhaps an explanation; everything escaped."""

    def one(label: str, value: str, more: str = "") -> str:
        small = f"<br><small>{escape(more)}</small>" if more else ""
        return f"<div><dt>{escape(label)}</dt><dd>{escape(value)}{small}</dd></div>"

    return f"<dl>{''.join(one(*item) for item in items)}</dl>"


def day(text: str, language: str) -> str:
    """1942-05-12 as 12 May 1942; a date that the register knows in part stays as it is."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts) or int(parts[1]) > 12:
        return text
    return f"{int(parts[2])} {MONTHS[language].split(',')[int(parts[1]) - 1]} {parts[0]}"


def euros(amount: int, language: str) -> str:
    """€ 25.754 in Dutch, € 25,754 in English."""
    text = f"€ {amount:,}"
    return text if language == "en" else text.replace(",", ".")
