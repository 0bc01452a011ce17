"""The municipality: housing benefit. Needs an address and an income, each with a permit, each only if the citizen agrees."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agency import login, permits
from agency.client import Client
from agency.demo.site import Session, Site, rows
from agency.errors import AgencyError, Denied
from agency.login import Citizen

PURPOSE = "housing-benefit"
NEEDED = (("address", "population-register", "Adres"), ("income", "tax-authority", "Inkomen"))
WORDS = {"refused": "u gaf geen toestemming", "withdrawn": "u trok uw toestemming in", "no_consent": "geen toestemming"}


def app(client: Client, *, own: str, sources: dict[str, str]) -> Starlette:
    """`own`: this site's address. `sources`: where each source releases."""
    site = Site(client, name="Gemeente Lindermeer", own=own, colours=("#005a9c", "#7fbdf0"), prefix="municipality")
    uses = [{"type": "personal_data_use", "purpose": PURPOSE, "data": [name for name, _, _ in NEEDED]}]

    async def begin(session: Session, _request: Request) -> str:
        return await login.begin(client, session, redirect_uri=f"{own}/callback", uses=uses)

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        if citizen is None:
            body = (
                "<p>Vraag huurtoeslag aan. Wij hebben uw adres en uw inkomen nodig. U beslist in Regie of wij die krijgen.</p>"
                "<p class=en>Apply for housing benefit. You decide whether we may see your address and income.</p>"
                '<p><a class=go href="/login">Inloggen met Regie</a></p>'
            )
            return site.page("Huurtoeslag", body)
        found = [
            (label, _said(await use(client, citizen.sub, data, source, sources))) for data, source, label in NEEDED
        ]
        body = (
            rows([("Ons pseudoniem voor u (our pseudonym for you)", citizen.sub), *found])
            + '<p><a class=go href="/">Opnieuw proberen</a></p><p><a href="/login">Toestemming opnieuw geven</a> '
            "<span class=en>(answer again)</span></p>"
        )
        return site.page("Uw aanvraag", body)

    async def attempt(request: Request) -> Response:
        """The same, as JSON, for one kind of data: GET /use?data=income."""
        citizen: Citizen | None = site.session(request).get("citizen")
        wanted = request.query_params.get("data")
        source = next((where for name, where, _ in NEEDED if name == wanted), None)
        if citizen is None or wanted is None or source is None:
            return JSONResponse({"error": "log in first, and name address or income"}, 400)
        return JSONResponse(await use(client, citizen.sub, wanted, source, sources))

    return Starlette(routes=[Route("/", home), Route("/use", attempt), *site.login_routes(begin)])


async def use(client: Client, sub: str, data: str, source: str, sources: dict[str, str]) -> dict[str, Any]:
    """Permit, then data: what a real agency's code does for each use."""
    try:
        permit = await permits.ask(client, sub=sub, purpose=PURPOSE, data=[data], source=source)
        released = await permits.fetch(client, permit, sources[source])
    except Denied as error:
        return {"decision": "denied", "reason": error.reason}
    except AgencyError:
        return {"decision": "denied", "reason": "unreachable"}
    return {"decision": "allowed", "permitId": permit.id, "permit": permit.jwt, "data": released[data]}


def _said(outcome: dict[str, Any]) -> str:
    if outcome["decision"] == "denied":
        return f"niet gekregen: {WORDS.get(outcome['reason'], outcome['reason'])}"
    data = outcome["data"]
    return str(data.get("address", {}).get("formatted") or data.get("yearly") or data).replace("\n", ", ")
