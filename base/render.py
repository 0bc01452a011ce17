"""Pages: Jinja templates, the reader's language, static files with hashed names.

One environment per language, so that a template reads the same for all. Everything is escaped; a name that is not
given is an error and never an empty place (StrictUndefined). No environment ever compiles a text of others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from base import csrf, i18n
from base.cookies import Cookies
from base.forms import read_form
from base.i18n import N_
from base.people import LoggedIn
from base.problems import Problem
from base.web.cached import Cached
from base.web.headers import content_security_policy

if TYPE_CHECKING:
    from base.settings import Settings

HERE = Path(__file__).resolve().parent
YEAR_S = 31_536_000

_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}\Z")


class Renderer:
    """Answers pages.

    `template_dirs`: where the services keep theirs (`idp/pages/templates`), searched before base's own; the `locales`
    folder of the service each belongs to is read too. `mac`: the ring's `pseudonyms.mac`, for CSRF tokens.
    """

    def __init__(
        self,
        template_dirs: Iterable[Path],
        settings: Settings,
        *,
        mac: csrf.Mac,
        static_dirs: Iterable[Path] = (),
    ) -> None:
        folders = [*template_dirs, HERE / "templates"]
        self.settings = settings
        self.cookies = Cookies(settings)
        self.mac = mac
        parts = urlsplit(settings.issuer)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.static_files: dict[str, Cached] = {}
        self._static: dict[str, str] = {}
        for folder in (HERE / "static", *static_dirs):
            self._take_static(folder)
        self.translations = i18n.load(dict.fromkeys(filter(None, (_locales(folder) for folder in reversed(folders)))))
        self._environments = {language: self._environment(folders, language) for language in i18n.LANGUAGES}

    def page(
        self,
        request: Request,
        template: str,
        status: int = 200,
        *,
        person: LoggedIn | None = None,
        bound_to: str | None = None,
        form_action: Iterable[str] | None = (),
        frame_src: Iterable[str] = (),
        locales: str = "",
        headers: Mapping[str, str] | None = None,
        here: str = "",
        **context: Any,
    ) -> Response:
        """A page in the reader's language.

        `person`: who is logged in; shows their name and their menu. `bound_to`: what the CSRF token is bound to when
        nobody is (digest of the browser cookie). `form_action`: see `base.web.headers`; the login and asking pages
        name the client's redirect origin there. `frame_src`: the origins of the page's frames. `locales`: see
        `language`. `here`: where the language switch comes back to, when that is not the page's own address (a form
        that was posted elsewhere cannot be opened again).
        """
        language = self.language(request, locales)
        bound = person.session_digest if person is not None else bound_to
        text = (
            self._environments[language]
            .get_template(template)
            .render(
                language=language,
                person=person,
                csrf_token=csrf.token(bound, self.mac) if bound else None,
                here=here or _here(request),
                **context,
            )
        )
        own = {"content-language": language, "vary": "Cookie, Accept-Language", **(headers or {})}
        if form_action != () or frame_src:
            own["content-security-policy"] = content_security_policy(form_action, frame_src=frame_src)
        return HTMLResponse(text, status, own)

    def error(self, request: Request, problem: Problem, request_id: str) -> Response:
        """The page of a refusal: fixed words for its status and the request id, for whoever calls the help desk.

        In development also the fixed sentence that an API would have got. The way out leads to the issuer's own
        address: whoever came by another name for this machine finds the right one.
        """
        heading, advice = _ERRORS.get(problem.status, _ERRORS[500 if problem.status >= 500 else 400])
        _ = self.translator(request)
        return self.page(
            request,
            "error.html",
            problem.status,
            headers=problem.headers,
            here="" if request.method in {"GET", "HEAD"} else "/",
            heading=_(heading),
            advice=_(advice),
            start=f"{self.settings.issuer}/",
            detail=problem.detail if self.settings.development else "",
            request_id=request_id,
        )

    def check_form(self, request: Request, form: Mapping[str, str], *, bound_to: str | None) -> None:
        """The CSRF check for a page's form. Raises Problem 403."""
        csrf.check(request, form, bound_to=bound_to, mac=self.mac, origin=self.origin)

    def language(self, request: Request, locales: str = "") -> str:
        """What the reader chose; else what a client knows of him (`ui_locales`); else what the browser says."""
        chosen = self.cookies.read(request, self.cookies.language) or _known(locales)
        return i18n.negotiate(chosen, request.headers.get("accept-language"))

    def prefer(self, request: Request, response: Response, locales: str) -> None:
        """What a client knows of a reader's language (`ui_locales`): the first that we have, unless the reader chose."""
        found = _known(locales)
        if found is not None and self.cookies.read(request, self.cookies.language) is None:
            self.cookies.put(response, self.cookies.language, found)

    def translator(self, request: Request) -> Callable[[str], str]:
        """`_` for the code of a page's handler."""
        return self.translations[self.language(request)].gettext

    def routes(self) -> list[BaseRoute]:
        return [Route("/language", self._choose_language, methods=["POST"])]

    async def _choose_language(self, request: Request) -> Response:
        """The language switch: no session needed, so the sender's origin is all there is to check."""
        csrf.check_origin(request, origin=self.origin)
        form = await read_form(request, limit=4096)
        back = form.get("back", "/")
        response = RedirectResponse(back if _LOCAL_PATH.match(back) else "/", 303)
        if form.get("language") in i18n.LANGUAGES:
            self.cookies.put(response, self.cookies.language, form["language"], max_age_s=YEAR_S)
        return response

    def _environment(self, folders: Sequence[Path], language: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=self.settings.development,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_translations(self.translations[language], newstyle=True)  # type: ignore[attr-defined]
        environment.globals.update(
            static=self._static.__getitem__,
            languages=i18n.NAMES,
            development=self.settings.development,
        )

        def instant(value: datetime) -> str:
            return i18n.moment(value, language)

        def day(value: date) -> str:
            return i18n.day(value, language)

        def month(value: date) -> str:
            return i18n.month(value, language)

        def duration(seconds: int) -> str:
            return i18n.duration(seconds, language)

        def text(texts: Mapping[str, str]) -> str:
            return i18n.text(texts, language)

        environment.filters.update(
            instant=instant, day=day, month=month, duration=duration, text=text, machine=i18n.machine
        )
        return environment

    def _take_static(self, folder: Path) -> None:
        """Read a folder's files once; each gets an address that changes with its content.

        Only these exact addresses are served, from memory: no path is ever joined with what a caller sent
        (CVE-2023-29159), and Range is not honoured (CVE-2025-62727).
        """
        for path in sorted(folder.glob("*.*")):
            body = path.read_bytes()
            address = f"/static/{path.stem}.{sha256(body).hexdigest()[:12]}{path.suffix}"
            kind = guess_type(path.name)[0] or "application/octet-stream"
            if kind.startswith("text/"):
                kind += "; charset=utf-8"
            self._static[path.name] = address
            self.static_files[address] = Cached(body, kind, YEAR_S, immutable=True, public=False)


_ERRORS: Mapping[int, tuple[str, str]] = {
    400: (
        N_("We cannot go on from here"),
        N_(
            "Perhaps you waited too long, or opened a page twice. Go back to the website that you came from, and begin "
            "there again."
        ),
    ),
    401: (N_("Please log in first"), N_("Log in and try again.")),
    403: (
        N_("This page is no longer valid"),
        N_(
            "It may have been open too long. Go back, open it again and try once more. Does it go wrong again? Then let "
            "your browser accept cookies of this website."
        ),
    ),
    404: (
        N_("This page does not exist"),
        N_(
            "Check the address, or go to the start page. A link from a letter works until you have answered, or its time is over."
        ),
    ),
    405: (N_("This page cannot be opened this way"), N_("Go to the start page and try again from there.")),
    409: (N_("This has already been done"), N_("Open the page again to see how things stand now.")),
    413: (N_("You sent more than we can take"), N_("Go back and send less.")),
    415: (N_("We cannot read what was sent"), N_("Go to the start page and try again from there.")),
    429: (N_("Too many tries"), N_("Wait a few minutes and try again.")),
    500: (N_("Something went wrong on our side"), N_("Try again in a few minutes. Nothing has been lost.")),
    503: (N_("It is very busy"), N_("Try again in a few minutes. Nothing has been lost.")),
}


def _known(locales: str) -> str | None:
    return next((one.split("-")[0] for one in locales.lower().split() if one.split("-")[0] in i18n.LANGUAGES), None)


def _here(request: Request) -> str:
    """Where the language switch comes back to: this address, when it can be opened again."""
    if request.method not in {"GET", "HEAD"}:
        return str(request.scope["path"])
    query = request.scope["query_string"].decode("latin-1")
    return f"{request.scope['path']}?{query}" if query else str(request.scope["path"])


def _locales(folder: Path) -> Path | None:
    """The `locales` folder of the service that a template folder belongs to."""
    return next((parent / "locales" for parent in folder.parents if (parent / "locales").is_dir()), None)
