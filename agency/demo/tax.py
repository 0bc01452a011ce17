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
from agency.demo.site import Session, Site, rows
from agency.login import Citizen

NAME = "tax-authority"


def app(client: Client, *, own: str) -> Starlette:
    site = Site(client, name="Belastingdienst Oostland", own=own, colours=("#6b4e00", "#e6c35c"), prefix="tax")

    async def begin(session: Session, _request: Request) -> str:
        return await login.begin(client, session, redirect_uri=f"{own}/callback")

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        if citizen is None:
            body = (
                "<p>Bekijk uw inkomen. Anderen krijgen het alleen met uw toestemming, elke keer met een vergunning van Regie.</p>"
                "<p class=en>See your income. Others get it only with your consent, each time with a permit.</p>"
                '<p><a class=go href="/login">Inloggen met Regie</a></p>'
            )
            return site.page("Uw inkomen", body)
        pairs: list[tuple[str, Any]] = [("Ons pseudoniem voor u (our pseudonym for you)", citizen.sub)]
        return site.page("Uw inkomen", rows([*pairs, ("Inkomen per jaar", income(citizen.sub)["yearly"])]))

    def release(sub: str, data: list[str]) -> dict[str, Any]:
        return {"income": income(sub)} if data == ["income"] else {}

    return Starlette(routes=[Route("/", home), source.route(client, NAME, release), *site.login_routes(begin)])


def income(sub: str) -> dict[str, Any]:
    """An invented income, the same each time for one pseudonym."""
    number = int.from_bytes(hashlib.sha256(sub.encode()).digest()[:2], "big")
    return {"yearly": f"€ {21_000 + number // 2}", "year": 2025}
