"""Log a citizen in and ask for the address.

python -m agency.example client             make key.pem if there is none, and print client.json
python -m agency.example serve CLIENT_ID    serve on http://localhost:9000
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from html import escape
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from agency import login, permits
from agency.client import Client
from agency.errors import AgencyError, Denied
from agency.jose import Key

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
OWN = os.environ.get("OWN", "http://localhost:9000")
KEY = Path("key.pem")
PURPOSE = "parking-permit"
USES = [{"type": "personal_data_use", "purpose": PURPOSE, "data": ["address"]}]


def metadata() -> dict[str, Any]:
    """What the operator registers: RFC 7591, with our member `agency`. The private key stays here."""
    if not KEY.exists():
        with os.fdopen(os.open(KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(Key.generate().pem())
    return {
        "agency": "westdam",
        "client_name": "Gemeente Westdam",
        "client_name#en": "Municipality of Westdam",
        "redirect_uris": [f"{OWN}/callback"],
        "grant_types": ["authorization_code", "client_credentials"],
        "scope": "openid consent:permit",
        "jwks": {"keys": [Key.from_pem(KEY.read_text()).public()]},
    }


def app(client: Client) -> Starlette:
    # A real agency keeps sessions in its database.
    sessions: dict[str, dict[str, Any]] = {}

    async def begin(_request: Request) -> Response:
        """To Regie: pushed request, PKCE, state and nonce are the toolkit's work."""
        session: dict[str, Any] = {}
        target = await login.begin(client, session, redirect_uri=f"{OWN}/callback", uses=USES)
        return _keep(sessions, RedirectResponse(target, 303), session)

    async def callback(request: Request) -> Response:
        """Back from Regie: the code is redeemed and the ID token verified."""
        session = sessions.pop(request.cookies.get("session", ""), {})
        try:
            session["citizen"] = await login.finish(client, session, dict(request.query_params))
        except AgencyError as error:
            return HTMLResponse(f"<p>Not logged in ({escape(str(error))}). <a href=/>Try again</a>", 400)
        return _keep(sessions, RedirectResponse("/", 303), session)

    async def home(request: Request) -> Response:
        citizen = sessions.get(request.cookies.get("session", ""), {}).get("citizen")
        if citizen is None:
            return HTMLResponse("<h1>Parking permit</h1><p><a href=/login>Log in with Regie</a>")
        try:
            permit = await permits.ask(
                client, sub=citizen.sub, purpose=PURPOSE, data=["address"], source="population-register"
            )
            released = await permits.fetch(client, permit, f"{ISSUER}/population/v1")
            found = released["address"]["address"]["formatted"]
            with contextlib.suppress(AgencyError):  # it can be said again later
                await permits.report(client, permit)
        except Denied as error:
            found = f"not received: {error.reason}"
        return HTMLResponse(f"<h1>Parking permit</h1><p>You are {escape(citizen.sub)}.<p>Address: {escape(found)}")

    async def refused(_request: Request, error: Exception) -> Response:
        """Another client_id, another key, or no Regie: said on the page, since a developer is who reads it."""
        said = f"<p>Regie said: {escape(str(error))}. See “When it does not work” in docs/agencies.md."
        return HTMLResponse(said, 502)

    routes = [Route("/", home), Route("/login", begin), Route("/callback", callback)]
    return Starlette(routes=routes, exception_handlers={AgencyError: refused})


def _keep(sessions: dict[str, dict[str, Any]], response: Response, session: dict[str, Any]) -> Response:
    """Under a new name each time: a session id that was planted is worth nothing."""
    name = secrets.token_urlsafe(32)
    sessions[name] = session
    response.set_cookie("session", name, httponly=True, samesite="lax")
    return response


def main(arguments: list[str]) -> int:
    match arguments:
        case ["client"]:
            sys.stdout.write(json.dumps(metadata(), indent=2) + "\n")
        case ["serve", client_id]:
            client = Client(ISSUER, client_id, Key.from_pem(KEY.read_text()))
            sys.stdout.write(f"Open {OWN}\n")
            sys.stdout.flush()
            uvicorn.run(app(client), host="localhost", port=int(OWN.rsplit(":", 1)[1]), log_level="warning")
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
