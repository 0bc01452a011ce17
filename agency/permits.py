"""Using personal data: ask the registry, get a permit, take it to the source. No permit, no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agency.client import Client
from agency.errors import Denied, InvalidToken, Unreachable

TYP = "permit+jwt"


@dataclass(frozen=True, slots=True)
class Permit:
    """Valid 30 seconds, for one use. `jwt`: what the source wants to see."""

    jwt: str
    id: str


async def check(client: Client, *, sub: str, purpose: str, data: list[str]) -> dict[str, Any]:
    """The registry's decision now: `decision`, `reason`, `items`, `revision`. It releases nothing."""
    token = await client.token("consent:check")
    asked = {"sub": sub, "purpose": purpose, "data": data}
    status, body = await client.call("POST", f"{await client.registry()}/checks", token, asked)
    if status != 200:
        raise Unreachable(f"check answered {status}")
    return body


async def ask(client: Client, *, sub: str, purpose: str, data: list[str], source: str) -> Permit:
    """A permit. Denied with the registry's reason; the citizen sees the attempt too."""
    token = await client.token("consent:permit")
    asked = {"sub": sub, "purpose": purpose, "data": data, "source": source}
    status, body = await client.call("POST", f"{await client.registry()}/permits", token, asked)
    if status == 403 and "reason" in body:
        raise Denied(body["reason"])
    if status != 201:
        raise Unreachable(f"permit answered {status}")
    return Permit(body["permit"], body["permitId"])


async def fetch(client: Client, permit: Permit, source_url: str) -> dict[str, Any]:
    """Show a permit to its source; the data, by category. Denied when the source refuses."""
    try:
        answer = await client.http.post(f"{source_url}/releases", json={"permit": permit.jwt})
        body = answer.json()
    except Exception as error:
        raise Unreachable("the source did not answer") from error
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    if answer.status_code != 200:
        raise Denied(str(told.get("reason", answer.status_code)))
    data = told.get("data")
    if not isinstance(data, dict):
        raise Unreachable("the source answered something else")
    return data


async def report(client: Client, permit: Permit, outcome: str = "used") -> None:
    """Say once what became of a permit: `used` or `not_used`. The citizen sees what was said, and who said nothing.

    May be repeated. Denied when the permit can still be taken, or another outcome was reported.
    """
    token = await client.token("consent:permit")
    said = {"permitId": permit.id, "outcome": outcome}
    status, body = await client.call("POST", f"{await client.registry()}/permits/reports", token, said)
    if status in (404, 409):
        raise Denied(str(body.get("reason", status)))
    if status != 200:
        raise Unreachable(f"report answered {status}")


async def redeem(client: Client, permit: str, *, source: str) -> dict[str, Any]:
    """As a source: verify a permit offline, then take it at the registry, once. InvalidToken, Denied.

    The answer names the citizen as this source knows him, the data, the recipient and the purpose.
    """
    claims = await client.verify(permit, typ=TYP, audience=source, leeway_s=0)
    token = await client.token("consent:redeem")
    status, body = await client.call(
        "POST", f"{await client.registry()}/permits/redemptions", token, {"permit": permit}
    )
    if status in (403, 409):
        raise Denied(str(body.get("reason", status)))
    if status != 200:
        raise Unreachable(f"redemption answered {status}")
    if body["permitId"] != claims["jti"] or body["data"] != claims["data"]:
        raise InvalidToken("the registry took another permit")
    return body
