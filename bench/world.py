"""What the benchmark talks to: a filled house, its clients, and citizens who walk through the pages."""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2

from agency.client import ASSERTION_TYPE
from agency.jose import Key
from base.settings import Settings
from idp.citizens import generator
from regie.commands import COMMANDS
from regie.house import House

CITIZENS = 48
PASSWORD = "correct horse battery staple"
CALLBACK = "https://municipality.example/callback"
FILES = Path(__file__).resolve().parent.parent / "regie" / "demo"
USES = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address", "income"]}]
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass(frozen=True)
class Agency:
    """A client: `key` and DPoP (fapi2), or `secret` (baseline). `asked`: parameters of its authorization requests."""

    issuer: str
    client_id: str
    key: Key | None = None
    secret: str = ""
    asked: dict[str, str] = field(default_factory=dict)

    def form(self, path: str, **members: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of a form to `path`, as this client: each has a fresh assertion and a fresh proof."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if self.key is None:
            basic = b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
            return {**headers, "authorization": f"Basic {basic}"}, urlencode(members).encode()
        assertion = self.key.assertion(self.client_id, self.issuer)
        members |= {"client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return {**headers, "dpop": self.key.proof("POST", self.issuer + path)}, urlencode(members).encode()

    def pushed(self, verifier: str) -> dict[str, str]:
        """The parameters of an authorization request."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **self.asked,
        }


@dataclass(frozen=True)
class World:
    """What the steps are walked with. `strict`: private_key_jwt and DPoP; `web`: a secret; `service`: its own access only.

    `api`: parameters of a request whose access token is a JWT, where that is not so anyway.
    """

    strict: Agency
    web: Agency
    service: Agency
    api: dict[str, str] = field(default_factory=dict)


def fill(settings: Settings, citizens: int = CITIZENS) -> World:
    """Agencies, purposes, three clients, and citizens with a password."""
    house = House.open(settings)

    def run(command: str, **params: Any) -> Any:
        return COMMANDS[command](house, params, lambda _: None)

    try:
        for file in json.loads((FILES / "agencies.json").read_text()):
            run("agency add", file=json.dumps(file))
        for file in json.loads((FILES / "purposes.json").read_text()):
            run("purpose add", file=json.dumps(file))
            run("purpose publish", id=file["id"])
        people = [one for one in generator.people(200) if one.state == "active"][:citizens]
        for number, person in enumerate(people):
            members = {
                name: getattr(person, name) for name in person.__struct_fields__ if name not in ("address", "state")
            }
            members["address"] = {name: getattr(person.address, name) for name in person.address.__struct_fields__}
            run("citizen add", file=json.dumps({**members, "username": f"citizen{number}", "password": PASSWORD}))
        scope = "consent:check consent:permit"
        key = Key.generate()
        one = {"agency": "municipality", "client_name": "bench", "redirect_uris": [CALLBACK]}
        strict = {
            "grant_types": ["authorization_code", "client_credentials"],
            "scope": f"openid {scope}",
            "jwks": {"keys": [key.public()]},
        }
        service = {"scope": scope, "grant_types": ["client_credentials"], "redirect_uris": []}
        web = {"grant_types": ["authorization_code"], "scope": "openid"}
        fapi2 = run("client add", file=json.dumps({**one, **strict}), profile="fapi2")
        secrets_of = [
            run("client add", file=json.dumps({**one, **each}), profile="baseline") for each in (web, service)
        ]
    finally:
        house.close()
    with_secret = [Agency(settings.issuer, each["client_id"], secret=each["client_secret"]) for each in secrets_of]
    return World(Agency(settings.issuer, fapi2["client_id"], key), *with_secret)


class Citizen:
    """One browser without script. `sub`: after a whole flow, who the agency knows."""

    def __init__(self, agency: Agency, number: int) -> None:
        self.agency = agency
        self.username = f"citizen{number}"
        self.http = httpx2.Client(timeout=20)
        self.verifier = ""

    def code(self) -> str:
        """Push, log in if asked to, consent if asked to; the code."""
        self.verifier = secrets.token_urlsafe(48)
        headers, body = self.agency.form("/oauth2/par", **self.agency.pushed(self.verifier))
        pushed = self.http.post(self.agency.issuer + "/oauth2/par", headers=headers, content=body).json()
        query = urlencode({"client_id": self.agency.client_id, "request_uri": pushed["request_uri"]})
        answer = self.http.get(f"{self.agency.issuer}/oauth2/authorize?{query}")
        for _ in range(10):
            if answer.status_code == 200:
                answer = self._fill_in(answer)
            target = urljoin(str(answer.url), answer.headers["location"])
            if target.startswith(CALLBACK):
                return dict(parse_qsl(urlsplit(target).query))["code"]
            answer = self.http.get(target)
        raise AssertionError("the flow does not end")

    def _fill_in(self, page: httpx2.Response) -> httpx2.Response:
        form = dict(_HIDDEN.findall(page.text))
        if "/login/password" in page.text:
            action, more = "/login/password", {"username": self.username, "password": PASSWORD}
        else:
            action, more = "/ask", {"address": "allow", "income": "allow"}
        return self.http.post(self.agency.issuer + action, data={**form, **more})

    def token_form(self, code: str) -> tuple[dict[str, str], bytes]:
        return self.agency.form(
            "/oauth2/token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=self.verifier,
        )

    def whole_flow(self) -> dict[str, Any]:
        """From nothing to the claims; what userinfo said."""
        issuer = self.agency.issuer
        headers, body = self.token_form(self.code())
        tokens = self.http.post(f"{issuer}/oauth2/token", headers=headers, content=body).json()
        token, key = tokens["access_token"], self.agency.key
        assert key is not None
        userinfo = f"{issuer}/oauth2/userinfo"
        headers = {"authorization": f"DPoP {token}", "dpop": key.proof("GET", userinfo, token)}
        answer = self.http.get(userinfo, headers=headers)
        claims: dict[str, Any] = answer.raise_for_status().json()
        return claims
