"""The municipality: housing benefit. Needs an address and an income, each with a permit, each only if the citizen agrees.

What it was given it holds for the application, and deletes as soon as it hears that the consent has ended.
"""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agency import login, permits
from agency.client import Client
from agency.demo.held import Held
from agency.demo.site import Say, Session, Site, euros, rows
from agency.errors import AgencyError, Denied
from agency.login import Citizen

NAME = ("Gemeente Lindermeer", "Municipality of Lindermeer")
PURPOSE = "housing-benefit"
NEEDED = (("address", "population-register", ("Adres", "Address")), ("income", "tax-authority", ("Inkomen", "Income")))
WORDS = {
    "refused": ("u gaf geen toestemming", "you gave no permission"),
    "no_consent": ("u gaf geen toestemming", "you gave no permission"),
    "withdrawn": ("u trok uw toestemming in", "you withdrew your permission"),
    "expired": ("uw toestemming is verlopen", "your permission has expired"),
    "unreachable": ("Regie of de bron is nu niet bereikbaar", "Regie or the source cannot be reached now"),
}


def app(client: Client, *, own: str, sources: dict[str, str]) -> Starlette:
    """`own`: this site's address. `sources`: where each source releases."""
    site = Site(client, name=NAME, own=own, colours=("#005a9c", "#7fbdf0"), prefix="municipality")
    held = Held(client, "municipality", PURPOSE)
    uses = [{"type": "personal_data_use", "purpose": PURPOSE, "data": [name for name, _, _ in NEEDED]}]

    async def begin(session: Session, request: Request) -> str:
        return await login.begin(
            client, session, redirect_uri=f"{own}/callback", uses=uses, ui_locales=site.language(request)
        )

    async def home(request: Request) -> Response:
        citizen: Citizen | None = site.session(request).get("citizen")
        say = site.say(request)
        if citizen is None:
            why = say(
                "Vraag huurtoeslag aan. Wij hebben uw adres en uw inkomen nodig. U beslist in Regie of wij die krijgen.",
                "Apply for housing benefit. We need your address and your income. You decide in Regie whether we get them.",
            )
            title = say("Huurtoeslag", "Housing benefit")
            return site.page(request, title, f"<p class=lead>{why}</p><p>{site.button(say)}</p>")
        outcomes = [
            (label, await use(client, citizen.sub, data, where, sources, held)) for data, where, label in NEEDED
        ]
        complete = all(outcome["decision"] == "allowed" for _, outcome in outcomes)
        told = [(say(*label), _said(outcome, say, site.language(request))) for label, outcome in outcomes]
        body = (
            f"<p class=lead>{_conclusion(say, complete=complete)}</p>"
            f"{rows([*told, site.known_as(say, citizen.sub)])}<p>{_each_time(say)}</p>"
            f'<p class=row><a class=go href="/">{say("Nog een keer vragen", "Ask once more")}</a>'
        )
        if not complete:
            body += f'<a class="go second" href="/login">{say("Opnieuw antwoorden", "Answer again")}</a>'
        return site.page(request, say("Uw aanvraag", "Your application"), f"{body}</p>")

    async def attempt(request: Request) -> Response:
        """The same, as JSON, for one kind of data: GET /use?data=income."""
        citizen: Citizen | None = site.session(request).get("citizen")
        wanted = request.query_params.get("data")
        source = next((where for name, where, _ in NEEDED if name == wanted), None)
        if citizen is None or wanted is None or source is None:
            return JSONResponse({"error": "log in first, and name address or income"}, 400)
        return JSONResponse(await use(client, citizen.sub, wanted, source, sources, held))

    async def holding(request: Request) -> Response:
        """Which kinds of data are held of whoever is logged in here, as JSON."""
        citizen: Citizen | None = site.session(request).get("citizen")
        return JSONResponse({"held": held.of(citizen.sub) if citizen is not None else []})

    routes = [Route("/", home), Route("/use", attempt), Route("/held", holding), *site.login_routes(begin)]
    return site.app(routes, lifespan=held.listening)


async def use(client: Client, sub: str, data: str, source: str, sources: dict[str, str], held: Held) -> dict[str, Any]:
    """Permit, then data: what a real agency's code does for each use."""
    ends = held.ends(sub)
    try:
        permit = await permits.ask(client, sub=sub, purpose=PURPOSE, data=[data], source=source)
        released = await permits.fetch(client, permit, sources[source])
        with contextlib.suppress(AgencyError):  # it can be said again later
            await permits.report(client, permit)
    except Denied as error:
        return {"decision": "denied", "reason": error.reason}
    except AgencyError:
        return {"decision": "denied", "reason": "unreachable"}
    await held.keep(sub, data, released[data], ends=ends)
    return {"decision": "allowed", "permitId": permit.id, "permit": permit.jwt, "data": released[data]}


def _said(outcome: dict[str, Any], say: Say, language: str) -> str:
    if outcome["decision"] == "denied":
        reason = outcome["reason"]
        return f"{say('niet gekregen', 'not received')}: {say(*WORDS.get(reason, (reason, reason)))}"
    data = outcome["data"]
    if "yearly" in data:
        return f"{euros(data['yearly'], language)} {say('per jaar', 'a year')}"
    return str(data.get("address", {}).get("formatted") or data).replace("\n", ", ")


def _conclusion(say: Say, *, complete: bool) -> str:
    if complete:
        return say("Wij hebben alles wat nodig is.", "We have everything that is needed.")
    return say("Wij kunnen nog niet beslissen: er ontbreekt iets.", "We cannot decide yet: something is missing.")


def _each_time(say: Say) -> str:
    return say(
        "Elke keer dat u deze pagina opent, vragen wij uw gegevens opnieuw. U ziet dat bij “Wie gebruikte mijn gegevens”.",
        "Each time you open this page we ask for your data again. You see that under “Who used my data”.",
    )
