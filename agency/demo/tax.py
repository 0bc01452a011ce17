"""The tax authority: the source of income. It releases against a permit, once, and shows citizens their own figure."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agency import login, source
from agency.client import Client
from agency.demo.site import Session, Site, euros, rows
from agency.login import Citizen

ID = "tax-authority"
NAME = ("Belastingdienst Oostland", "Tax authority Oostland")


def app(client: Client, *, own: str) -> Starlette:
    site = Site(client, name=NAME, own=own, colours=("#6b4e00", "#e6c35c"), prefix="tax")

    async def begin(session: Session, request: Request) -> str:
        return await login.begin(client, session, redirect_uri=f"{own}/callback", ui_locales=site.language(request))

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        say = site.say(request)
        title = say("Uw inkomen", "Your income")
        if citizen is None:
            why = say(
                "Bekijk uw inkomen. Anderen krijgen het alleen met uw toestemming, elke keer met een vergunning van Regie.",
                "See your income. Others get it only with your permission, each time with a permit of Regie.",
            )
            return site.page(request, title, f"<p class=lead>{why}</p><p>{site.button(say)}</p>")
        own_figure = income(citizen.sub)
        label = say(f"Inkomen in {own_figure['year']}", f"Income in {own_figure['year']}")
        told = (label, euros(own_figure["yearly"], site.language(request)))
        return site.page(request, title, rows([told, site.known_as(say, citizen.sub)]))

    def release(sub: str, data: list[str]) -> dict[str, Any]:
        return {"income": income(sub)} if data == ["income"] else {}

    return site.app([Route("/", home), source.route(client, ID, release), *site.login_routes(begin)])


def income(sub: str) -> dict[str, Any]:
    """An invented income in euros, the same each time for one pseudonym."""
    number = int.from_bytes(hashlib.sha256(sub.encode()).digest()[:2], "big")
    return {"yearly": 21_000 + number // 2, "currency": "EUR", "year": 2025}
