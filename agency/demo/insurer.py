"""The health insurer: needs a birth date and nothing else. The plainest client there is: code, PKCE, a secret, userinfo."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agency import login
from agency.client import Client
from agency.demo.site import Session, Site, rows
from agency.errors import AgencyError
from agency.login import Citizen


def app(client: Client, *, own: str) -> Starlette:
    site = Site(client, name="Zorgverzekeraar Duinzicht", own=own, colours=("#8a1c5c", "#f09ac6"), prefix="insurer")

    async def begin(session: Session, _request: Request) -> str:
        return await login.begin(client, session, redirect_uri=f"{own}/callback", scope="openid birthdate")

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        if citizen is None:
            body = (
                "<p>Bekijk uw premie. Wij hebben alleen uw geboortedatum nodig.</p>"
                "<p class=en>See your premium. We need your birth date and nothing else.</p>"
                '<p><a class=go href="/login">Inloggen met Regie</a></p>'
            )
            return site.page("Uw zorgpremie", body)
        try:
            known = await login.userinfo(client, citizen)
        except AgencyError:
            return site.page("Log opnieuw in", '<p><a class=go href="/login">Inloggen met Regie</a></p>')
        birth_date = known.get("birthdate", "niet gekregen: u gaf geen toestemming")
        pairs = [("Ons pseudoniem voor u (our pseudonym for you)", citizen.sub), ("Geboortedatum", birth_date)]
        return site.page("Uw zorgpremie", rows(pairs))

    return Starlette(routes=[Route("/", home), *site.login_routes(begin)])
