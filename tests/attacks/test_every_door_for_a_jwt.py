"""T-01 to T-11 at every endpoint that takes a JWT: a table of doors by attacks.

A forged token is answered exactly as plain nonsense is. That each door does open for a good token is tested too: a door
that is always closed would pass everything else.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.fixtures.counterparty import (
    arrive,
    assertion,
    citizen,
    header_of,
    keys_of,
    logged_in_tokens,
    push,
    registered,
    signed_request,
    tokens,
    verified,
)
from tests.fixtures.forging import ATTACKS, Material, es256
from tests.flows.test_independent_client import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping

NONSENSE = ("nonsense", "a.b.c", "a.b.c.d.e")
FRESH_S = 60


class Listener:
    """A place on this machine to which nobody may connect."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.heard = 0
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/jwks.json"

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.heard += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@dataclass
class Scene:
    """Everyone who is needed. Tokens are made anew when they get old."""

    server: Server
    client: Client
    service: Client
    source: Client
    browser: Stopping
    listener: Listener
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=20))
    leaving: Stopping | None = None
    sub: str = ""
    refusals: dict[str, set[str]] = field(default_factory=dict)
    encryption: dict[str, Any] = field(default_factory=dict)
    _kept: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        value, at = self._kept.get(name, (None, -FRESH_S))
        if time.monotonic() - at >= FRESH_S:
            value = make()
            self._kept[name] = value, time.monotonic()
        return value

    def url(self, path: str) -> str:
        return self.server.issuer + path

    def login(self, *, bound: bool) -> dict[str, Any]:
        """Tokens of the citizen for userinfo: bound to the client's key, or as bearer tokens."""

        def make() -> dict[str, Any]:
            if not bound:
                self.browser.get(address(self.server, self.service, scope="openid"))
                code = dict(parse_qsl(urlsplit(self.browser.arrived).query))["code"]
                return dict(tokens(self.server, self.service, code).json())
            pushed = push(self.server, self.client, signed_request(self.server, self.client))
            return dict(
                tokens(self.server, self.client, arrive(self.server, self.browser, self.client, pushed)["code"]).json()
            )

        found: dict[str, Any] = self.kept(f"login {bound}", make)
        return found

    def api_token(self, client: Client | None = None) -> str:
        """For the registry's API, of the client's own."""
        caller = client or self.client

        def make() -> str:
            url = self.url("/oauth2/token")
            form = {"grant_type": "client_credentials", "scope": "consent:check consent:permit consent:redeem"}
            headers = {"dpop": self.proof("POST", url, by=caller)}
            done = httpx2.post(url, data=form | assertion(caller, self.server.issuer), headers=headers)
            return str(done.json()["access_token"])

        return str(self.kept(f"api {caller.client_id}", make))

    def permit(self, category: str, source: str) -> str:
        """30 seconds, once: new each time."""
        asked = {"sub": self.sub, "purpose": "housing-benefit", "data": [category], "source": source}
        url = self.url("/consent/v1/permits")
        token = self.api_token()
        done = httpx2.post(
            url, json=asked, headers={"authorization": f"DPoP {token}", "dpop": self.proof("POST", url, token)}
        )
        assert done.status_code == 201, done.text
        return str(done.json()["permit"])

    def proof(self, method: str, url: str, token: str | None = None, *, by: Client | None = None) -> str:
        key = (by or self.client).key
        assert key is not None
        return key.proof(method, url, token)


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[Scene]:
    consent = "openid consent:check consent:permit consent:redeem"
    both = ["authorization_code", "client_credentials"]
    client = registered(server, "fapi2", agency="municipality", scope=consent, grant_types=both)
    service = registered(server)
    source = registered(server, "fapi2", agency="tax-authority", scope=consent, grant_types=["client_credentials"])
    one = Scene(server, client, service, source, citizen(server), Listener())
    uses = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address", "income"]}]
    pushed = push(server, client, signed_request(server, client, authorization_details=uses))
    assert arrive(server, one.browser, client, pushed) == {}
    one.browser.submit("/ask", address="allow", income="allow")
    code = dict(parse_qsl(urlsplit(one.browser.arrived).query))["code"]
    given = tokens(server, client, code).json()
    one.sub = verified(server, given["id_token"], typ="JWT", audience=client.client_id)["sub"]
    yield one
    for browser in (one.browser, one.leaving):
        if browser is not None:
            browser.close()
    one.http.close()
    one.listener.close()


def told(answer: httpx2.Response) -> tuple[int, Any]:
    """What a caller can tell apart; of a malformed body at the registry's API not which of its rules it broke."""
    if "json" not in answer.headers.get("content-type", ""):
        return answer.status_code, ""
    names = ("title", "reason", "error", "error_description")
    return answer.status_code, [answer.json().get(name) for name in names], answer.headers.get("www-authenticate")


def post(scene: Scene, path: str, form: dict[str, str], **headers: str) -> tuple[int, Any]:
    return told(scene.http.post(scene.url(path), data=form, headers=headers))


# Each door: how a good token is made, and how one is shown there.


def made_assertion(scene: Scene) -> str:
    return assertion(scene.client, scene.server.issuer)["client_assertion"]


def with_assertion(path: str, form: dict[str, str]) -> Callable[[Scene, str], Any]:
    def show(scene: Scene, token: str) -> Any:
        url = scene.url(path)
        own = {**assertion(scene.client, scene.server.issuer), "client_assertion": token}
        return post(scene, path, {**form, **own}, dpop=scene.proof("POST", url))

    return show


def pushed_object(scene: Scene, token: str) -> Any:
    return told(push(scene.server, scene.client, token))


def sent_object(scene: Scene, token: str) -> Any:
    """In a body, where a large one still fits; a client of this profile must push, and is told so only once it was read."""
    form = {"client_id": scene.client.client_id, "request": token, "redirect_uri": "http://localhost:9/callback"}
    answer = scene.http.post(scene.url("/oauth2/authorize"), data=form)
    query = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
    return answer.status_code, query.get("error")


def hinted(scene: Scene, token: str) -> Any:
    form = dict(parse_qsl(urlsplit(address(scene.server, scene.service, scope="openid", prompt="none")).query))
    answer = scene.browser._http.post(scene.url("/oauth2/authorize"), data={**form, "id_token_hint": token})
    if answer.status_code == 303 and "resume" in answer.headers["location"]:
        scene.browser.arrived = ""
        scene.browser._follow(answer)
        query = dict(parse_qsl(urlsplit(scene.browser.arrived).query))
        return "code" in query, query.get("error")
    query = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
    # A hint that is too long is an error of the request; both say no.
    return False, "login_required" if query.get("error") == "invalid_request" else query.get("error")


def hint_of_its_own_session(scene: Scene) -> str:
    """By a browser that may be logged out: a hint ends the session that it names, and no other."""
    if scene.leaving is not None:
        scene.leaving.close()
    scene.leaving = citizen(scene.server, add=False)
    return str(logged_in_tokens(scene.server, scene.leaving, scene.service)["id_token"])


def is_logged_in(scene: Scene, one: Stopping) -> bool:
    return one._http.get(scene.url("/my"), follow_redirects=False).status_code == 200


def logout_hint(scene: Scene, token: str) -> Any:
    """Whether the session still lives: asked, or refused for its length, the citizen is logged in as before."""
    if scene.leaving is None or not is_logged_in(scene, scene.leaving):
        hint_of_its_own_session(scene)
    assert scene.leaving is not None
    http = scene.leaving._http
    http.post(scene.url("/oauth2/logout"), data={"id_token_hint": token}, follow_redirects=False)
    return http.get(scene.url("/my"), follow_redirects=False).status_code


def bearer(scene: Scene, token: str) -> Any:
    return told(scene.http.get(scene.url("/oauth2/userinfo"), headers={"authorization": f"Bearer {token[:15_000]}"}))


def posted_bearer(scene: Scene, token: str) -> Any:
    return post(scene, "/oauth2/userinfo", {"access_token": token})


def api_bearer(scene: Scene, token: str) -> Any:
    url = scene.url("/consent/v1/checks")
    asked = {"sub": scene.sub, "purpose": "housing-benefit", "data": ["address"]}
    headers = {"authorization": f"DPoP {token[:12_000]}", "dpop": scene.proof("POST", url, token)}
    answer = scene.http.post(url, json=asked, headers=headers)
    return (200, "decided") if answer.status_code == 200 else told(answer)


def introspected(scene: Scene, token: str) -> Any:
    auth = (scene.service.client_id, scene.service.secret)
    answer = scene.http.post(scene.url("/oauth2/introspect"), data={"token": token}, auth=auth)
    return answer.status_code, answer.json()["active"]


def revoked(scene: Scene, token: str) -> Any:
    """Whether the good token has died of it."""
    auth = (scene.service.client_id, scene.service.secret)
    good = scene.login(bound=False)["access_token"]
    status = scene.http.post(scene.url("/oauth2/revoke"), data={"token": token}, auth=auth).status_code
    alive = introspected(scene, good)
    if not alive[1]:
        scene._kept.clear()
    return status, alive


def redeemed(scene: Scene, permit: str) -> Any:
    url = scene.url("/consent/v1/permits/redemptions")
    token = scene.api_token(scene.source)
    headers = {"authorization": f"DPoP {token}", "dpop": scene.proof("POST", url, token, by=scene.source)}
    answer = scene.http.post(url, json={"permit": permit}, headers=headers)
    return (200, "taken") if answer.status_code == 200 else told(answer)


def released(scene: Scene, permit: str) -> Any:
    answer = scene.http.post(scene.url("/population/v1/releases"), json={"permit": permit})
    return (200, "data") if answer.status_code == 200 else told(answer)


def with_proof(method: str, path: str) -> Callable[[Scene, str], Any]:
    def show(scene: Scene, proof: str) -> Any:
        headers = {"dpop": proof[:12_000]}
        if path == "/oauth2/token":
            form = {"grant_type": "client_credentials", **assertion(scene.client, scene.server.issuer)}
            answer = scene.http.post(scene.url(path), data=form, headers=headers)
            return (200, "token") if answer.status_code == 200 else told(answer)
        headers["authorization"] = (
            f"DPoP {scene.login(bound=True)['access_token'] if method == 'GET' else scene.api_token()}"
        )
        if method == "GET":
            return told(scene.http.get(scene.url(path), headers=headers))
        asked = {"sub": scene.sub, "purpose": "housing-benefit", "data": ["address"]}
        answer = scene.http.post(scene.url(path), json=asked, headers=headers)
        return (200, "decided") if answer.status_code == 200 else told(answer)

    return show


def proof_for(method: str, path: str) -> Callable[[Scene], str]:
    def make(scene: Scene) -> str:
        token = None
        if path != "/oauth2/token":
            token = scene.login(bound=True)["access_token"] if method == "GET" else scene.api_token()
        return scene.proof(method, scene.url(path), token)

    return make


SERVER, CLIENT = "the server", "the client"


@dataclass(frozen=True, slots=True)
class Door:
    """`signer`: who makes good tokens for it."""

    make: Callable[[Scene], str]
    show: Callable[[Scene, str], Any]
    signer: str


CREDENTIALS = {"grant_type": "client_credentials", "scope": "consent:check"}
DOORS = {
    "client_assertion at token": Door(made_assertion, with_assertion("/oauth2/token", CREDENTIALS), CLIENT),
    "client_assertion at par": Door(made_assertion, with_assertion("/oauth2/par", {"scope": "openid"}), CLIENT),
    "client_assertion at introspect": Door(
        made_assertion, with_assertion("/oauth2/introspect", {"token": "x"}), CLIENT
    ),
    "client_assertion at revoke": Door(made_assertion, with_assertion("/oauth2/revoke", {"token": "x"}), CLIENT),
    "request at par": Door(lambda s: signed_request(s.server, s.client), pushed_object, CLIENT),
    "request at authorize": Door(lambda s: signed_request(s.server, s.client), sent_object, CLIENT),
    "id_token_hint at authorize": Door(lambda s: s.login(bound=False)["id_token"], hinted, SERVER),
    "id_token_hint at logout": Door(hint_of_its_own_session, logout_hint, SERVER),
    "bearer at userinfo": Door(lambda s: s.login(bound=False)["access_token"], bearer, SERVER),
    "access_token in a form at userinfo": Door(lambda s: s.login(bound=False)["access_token"], posted_bearer, SERVER),
    "access token at the registry": Door(lambda s: s.api_token(), api_bearer, SERVER),
    "token at introspect": Door(lambda s: s.login(bound=False)["access_token"], introspected, SERVER),
    "token at revoke": Door(lambda s: s.login(bound=False)["access_token"], revoked, SERVER),
    "permit at redemptions": Door(lambda s: s.permit("income", "tax-authority"), redeemed, SERVER),
    "permit at the population register": Door(lambda s: s.permit("address", "population-register"), released, SERVER),
    "proof at token": Door(proof_for("POST", "/oauth2/token"), with_proof("POST", "/oauth2/token"), CLIENT),
    "proof at userinfo": Door(proof_for("GET", "/oauth2/userinfo"), with_proof("GET", "/oauth2/userinfo"), CLIENT),
    "proof at the registry": Door(
        proof_for("POST", "/consent/v1/checks"), with_proof("POST", "/consent/v1/checks"), CLIENT
    ),
}


def material(scene: Scene, door: Door) -> Material:
    good = door.make(scene)
    scene.encryption = scene.encryption or {key["kid"]: key for key in keys_of(scene.server, "enc")}
    ours = scene.encryption
    if door.signer == SERVER:
        (public,) = (key for key in keys_of(scene.server, "sig") if key["kid"] == header_of(good)["kid"])
        return Material(good, public, None, ours, scene.listener.address)
    assert scene.client.key is not None
    private = scene.client.key._key.private_key
    assert private is not None
    return Material(good, scene.client.key.public(), es256(private), ours, scene.listener.address)


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("name", list(DOORS))
def test_a_forged_token_is_nonsense_at_this_door(scene: Scene, name: str, attack: str) -> None:
    door = DOORS[name]
    if name not in scene.refusals:
        scene.refusals[name] = {repr(door.show(scene, one)) for one in NONSENSE}
    before = scene.listener.heard

    for forged in ATTACKS[attack](material(scene, door)):
        assert repr(door.show(scene, forged)) in scene.refusals[name], forged[:200]

    assert scene.listener.heard == before


@pytest.mark.parametrize("name", list(DOORS))
def test_the_door_opens_for_a_good_token(scene: Scene, name: str) -> None:
    door = DOORS[name]

    assert door.show(scene, door.make(scene)) not in [door.show(scene, one) for one in NONSENSE]
