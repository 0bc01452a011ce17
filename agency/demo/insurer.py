"""The health insurer: needs a birth date and nothing else. The plainest client there is: code, PKCE, a secret, userinfo."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agency import login
from agency.client import Client
from agency.demo.site import Session, Site, day, rows
from agency.errors import AgencyError
from agency.login import Citizen

NAME = ("Zorgverzekeraar Duinzicht", "Health insurer Duinzicht")


def app(client: Client, *, own: str) -> Starlette:
    site = Site(client, name=NAME, own=own, colours=("#8a1c5c", "#f09ac6"), prefix="insurer")

    async def begin(session: Session, request: Request) -> str:
        return await login.begin(
            client,
            session,
            redirect_uri=f"{own}/callback",
            scope="openid birthdate",
            ui_locales=site.language(request),
        )

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        say = site.say(request)
        title = say("Uw zorgpremie", "Your health insurance premium")
        if citizen is None:
            why = say(
                "Bekijk uw premie. Wij hebben alleen uw geboortedatum nodig.",
                "See your premium. We need your birth date and nothing else.",
            )
            return site.page(request, title, f"<p class=lead>{why}</p><p>{site.button(say)}</p>")
        try:
            known = await login.userinfo(client, citizen)
        except AgencyError:
            why = say("Het is even geleden dat u inlogde.", "It is some time since you logged in.")
            again = f"<p class=lead>{why}</p><p>{site.button(say)}</p>"
            return site.page(request, say("Log opnieuw in", "Log in again"), again)
        given = known.get("birthdate")
        refused = say("niet gekregen: u gaf geen toestemming", "not received: you gave no permission")
        found = day(str(given), site.language(request)) if given is not None else refused
        body = rows([(say("Geboortedatum", "Birth date"), found), site.known_as(say, citizen.sub)])
        if given is None:
            body += f'<p><a class=go href="/login">{say("Opnieuw antwoorden", "Answer again")}</a></p>'
        return site.page(request, title, body)

    return site.app([Route("/", home), *site.login_routes(begin)])
