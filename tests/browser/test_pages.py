"""A passkey in a real browser with a virtual authenticator: registered, used at two agencies, refused without the person."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from idp.authenticators.totp import code_at
from regie import admin
from regie.demo.run import free
from regie.demo.seed import LOGINS, Ports
from tests.fixtures.browser import IN_A_BROWSER, launched, press

pytestmark = IN_A_BROWSER
NUMBERS = free(4)
PROVIDER, MUNICIPALITY, INSURER, TAX = (
    Ports(*NUMBERS).url(name) for name in ("provider", "municipality", "insurer", "tax")
)
BACK = "http://localhost:9/callback"
CIBA = "urn:openid:params:grant-type:ciba"
SERVE = """
import sys
from pathlib import Path
from regie.demo.run import serve
from regie.demo.seed import Ports
sys.exit(serve(Path(sys.argv[1]), Ports(*map(int, sys.argv[2:]))))
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its data."""
    return tmp_path_factory.mktemp("demo") / "data"


@pytest.fixture(scope="module")
def demo(directory: Path) -> Iterator[Path]:
    """Where its data is."""
    command = [sys.executable, "-c", SERVE, str(directory), *map(str, NUMBERS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not any("Ctrl-C" in line for line in process.stdout):
            pytest.fail("the demo did not start")
        yield directory
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(15)


@pytest.fixture
def page(demo: Path) -> Iterator[Any]:
    with launched() as browser:
        yield browser.new_context(viewport={"width": 360, "height": 740}, locale="nl-NL").new_page()


_used: dict[int, int] = {}


def code_of(number: int) -> str:
    """A code of the app serves once: when this one did, the next is waited for."""
    while _used.get(number) == int(time.time()) // 30:
        time.sleep(0.5)
    _used[number] = int(time.time()) // 30
    return code_at(LOGINS[number][2], datetime.now(UTC))


def log_in(page: Any, number: int, address: str) -> None:
    """With user name, password and code."""
    username, password, _ = LOGINS[number]
    page.goto(address)
    page.fill("#field-username", username)
    page.fill("#field-password", password)
    press(page, "text=Verder")
    page.fill("#field-code", code_of(number))
    press(page, "main button[type=submit]")


def with_authenticator(page: Any) -> tuple[Any, str]:
    """The browser's tools, and a passkey's device in it: its id."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    return devtools, devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def test_a_passkey_is_registered_used_at_two_agencies_and_needs_the_person(page: Any) -> None:
    devtools, authenticator = with_authenticator(page)

    log_in(page, 0, f"{PROVIDER}/login?to=/my/logins")
    page.fill("#field-label", "Telefoon")
    page.click("#passkey-register")
    page.wait_for_url("**/my/logins?added=1")
    assert "Telefoon" in page.text_content("main")
    press(page, "text=Uitloggen")

    page.goto(f"{MUNICIPALITY}/login")
    page.click("#passkey-login")
    page.wait_for_url("**/ask?**")
    page.check("input[name=address][value=allow]")
    page.check("input[name=income][value=deny]")
    press(page, "text=Mijn antwoorden bevestigen")
    page.wait_for_url(f"{MUNICIPALITY}/**")
    page.goto(f"{INSURER}/login")
    page.wait_for_url("**/ask?**")

    page.goto(f"{PROVIDER}/my")
    press(page, "text=Uitloggen")
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.goto(f"{PROVIDER}/login")
    page.click("#passkey-login")
    page.wait_for_selector("#passkey-message:not(:empty)")
    assert page.url == f"{PROVIDER}/login"


def looker(page: Any) -> tuple[Callable[[str], None], dict[str, list[str]]]:
    """A look at the page that is open, in light and dark, on small screens and with large letters; and what was found."""
    source = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        pytest.skip("the packages of tests/browser are not installed (npm ci)")
    axe = source.read_text()
    seen: dict[str, list[str]] = {}

    def look(name: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            # Under our Content-Security-Policy a script tag would be refused; evaluating is not.
            page.evaluate(axe + ";0")
            rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
            found = page.evaluate("rules => axe.run(rules)", rules)["violations"]
            if found:
                seen[f"{name} {scheme}"] = [
                    f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
                    for one in found
                    for node in one["nodes"]
                ]
        for width, letters in ((320, "100%"), (360, "200%"), (1280, "200%")):
            page.set_viewport_size({"width": width, "height": 740})
            page.evaluate("size => { document.documentElement.style.fontSize = size }", letters)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                seen[f"{name} at {width} px, letters {letters}"] = ["scrolls sideways"]
        page.evaluate("() => { document.documentElement.style.fontSize = '' }")
        page.set_viewport_size({"width": 360, "height": 740})

    return look, seen


def test_axe_finds_nothing_on_any_page_and_nothing_scrolls_sideways(page: Any) -> None:
    look, seen = looker(page)
    username, password, _ = LOGINS[1]
    for path in ("/", "/enrol", "/nowhere", "/login"):
        page.goto(PROVIDER + path)
        look(path)
    page.goto(f"{MUNICIPALITY}/login")
    page.fill("#field-username", username)
    page.fill("#field-password", password)
    press(page, "text=Verder")
    look("code")
    page.fill("#field-code", code_of(1))
    press(page, "main button[type=submit]")
    look("/ask")
    press(page, "text=Mijn antwoorden bevestigen")
    look("/ask with errors")
    page.check("input[name=address][value=allow]")
    page.check("input[name=income][value=deny]")
    press(page, "text=Mijn antwoorden bevestigen")
    page.wait_for_url(f"{MUNICIPALITY}/**")
    look("the municipality")
    press(page, "text=Hier uitloggen")
    look("the municipality, logged out")
    page.goto(f"{MUNICIPALITY}/nowhere")
    look("the municipality, nowhere")
    page.goto(f"{INSURER}/login")
    look("the insurer's question")
    page.check("input[value=deny]")
    press(page, "text=Mijn antwoorden bevestigen")
    page.wait_for_url(f"{INSURER}/**")
    look("the insurer")
    page.goto(f"{TAX}/login")
    look("the tax authority")
    press(page, "a[lang=en]")
    assert "Your income" in page.text_content("h1")
    for path in (
        "/my",
        "/my/consents",
        "/my/history",
        "/my/history?from=gisteren",
        "/my/data",
        "/my/complaints",
        "/my/erase",
        "/my/erase/confirm",
        "/erased",
        "/my/logins",
        "/my/logins/password",
        "/my/logins/totp",
        "/my/sessions",
        "/my/notices",
        "/oauth2/logout",
    ):
        page.goto(PROVIDER + path)
        look(path)
    page.goto(f"{PROVIDER}/my/history")
    press(page, "a[href$='/complaint']")
    look("complain")
    page.evaluate("() => document.querySelectorAll('[required]').forEach(one => one.removeAttribute('required'))")
    press(page, "main button[type=submit]")
    look("complain with errors")
    page.check("input[value=erasure]")
    press(page, "main button[type=submit]")
    look("complaint")
    page.goto(f"{PROVIDER}/my/consents")
    press(page, "a[href$='/withdraw']")
    look("withdraw")
    press(page, "form[action$='/withdraw'] button")
    look("consent")
    press(page, "a[href$='/check']")
    page.wait_for_selector("[data-verdict=ok]:not([hidden])")
    look("check")

    page.goto(f"{PROVIDER}/my")
    press(page, "a[href^='/my/children/']")
    look("a child")
    press(page, "main a[href$='/consents']")
    look("consents of a child")
    page.goto(f"{PROVIDER}/my/children/nobody/history")
    look("nobody's child")
    press(page, "header >> text=Uitloggen")
    look("logged out")

    assert not seen, json.dumps(seen, indent=1)


def test_an_officer_makes_a_passkey_of_an_invitation_and_sees_the_figures_alone(page: Any, directory: Path) -> None:
    look, seen = looker(page)
    devtools, authenticator = with_authenticator(page)
    invited = admin.ask(directory, "officer invite", {"name": "j.jansen", "role": "supervisor"}, lambda _: None)
    page.goto(f"{PROVIDER}/supervisor")
    look("an officer's login")
    press(page, "text=Ik heb een uitnodiging")
    page.fill("#field-code", "x" * 43)
    page.click("#passkey-register")
    page.wait_for_selector("#passkey-message:not(:empty)")
    look("an invitation that is none")
    page.fill("#field-code", invited["code"])
    page.click("#passkey-register")
    page.wait_for_url(f"{PROVIDER}/supervisor")
    assert "j.jansen" in page.text_content("body")
    look("/supervisor")
    press(page, "a[rel=prev], a[rel=next]")
    page.wait_for_url("**/supervisor?month=*")
    press(page, "text=Uitloggen")
    page.wait_for_url("**/supervisor/login")

    page.goto(f"{PROVIDER}/login")
    page.click("#passkey-login")  # of the same site, and not a citizen's
    page.wait_for_selector("#passkey-message:not(:empty)")
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.goto(f"{PROVIDER}/supervisor/login")
    page.click("#passkey-login")
    page.wait_for_selector("#passkey-message:not(:empty)")
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    page.click("#passkey-login")
    page.wait_for_url(f"{PROVIDER}/supervisor")
    admin.ask(directory, "officer end", {"name": "j.jansen"}, lambda _: None)
    page.reload()
    assert page.url == f"{PROVIDER}/supervisor/login"

    assert not seen, json.dumps(seen, indent=1)


class Agency:
    """A site that hears of a logout in a frame and is come back to. `seen`: the addresses that were asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        agency = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agency.seen.append(self.path)
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                if self.path.startswith("/out"):
                    self.wfile.write(b"<script>localStorage.clear(); top.location = '/stolen'</script>")

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def agency() -> Iterator[Agency]:
    one = Agency()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_the_goodbye_page_tells_the_agency_and_goes_back_and_the_back_button_shows_nothing(
    page: Any, directory: Path, agency: Agency
) -> None:
    """OpenID Connect Front-Channel Logout section 2; Clear-Site-Data (W-09)."""
    metadata = {
        "agency": "municipality",
        "client_name": "Gemeente",
        "redirect_uris": [f"{agency.url}/callback"],
        "post_logout_redirect_uris": [f"{agency.url}/after"],
        "frontchannel_logout_uri": f"{agency.url}/out",
    }
    made = admin.ask(directory, "client add", {"file": json.dumps(metadata), "profile": "baseline"}, lambda _: None)
    asked = {"response_type": "code", "client_id": made["client_id"], "redirect_uri": f"{agency.url}/callback"}
    asked |= {"scope": "openid", "code_challenge": "x" * 43, "code_challenge_method": "S256"}
    log_in(page, 2, f"{PROVIDER}/oauth2/authorize?{urlencode(asked)}")
    page.wait_for_url(f"{agency.url}/**")
    page.goto(f"{PROVIDER}/my")
    query = {"client_id": made["client_id"], "post_logout_redirect_uri": f"{agency.url}/after", "state": "s"}

    page.goto(f"{PROVIDER}/oauth2/logout?{urlencode(query)}")
    press(page, "main button[type=submit]")
    page.wait_for_url(f"{agency.url}/after?state=s")

    frames = [one for one in agency.seen if one.startswith("/out")]
    assert len(frames) == 1
    assert set(dict(parse_qsl(urlsplit(frames[0]).query))) == {"iss", "sid"}
    # The sandbox held: the frame led the page nowhere.
    assert "/stolen" not in agency.seen
    for _ in range(3):
        page.go_back()
        assert "Ingelogd als" not in page.content()
    page.goto(f"{PROVIDER}/my")
    assert "/login" in page.url


def registered(data: Path) -> Any:
    """A client of the municipality's that begins outside the browser, added to the running demo."""
    grants = ("device_code", "token-exchange")
    file = {
        "client_name": "Balie Lindermeer",
        "agency": "municipality",
        "redirect_uris": [BACK],
        "scope": "openid consent:request",
        "grant_types": [
            "authorization_code",
            "client_credentials",
            CIBA,
            *(f"urn:ietf:params:oauth:grant-type:{one}" for one in grants),
        ],
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGIE_")}
    environment |= {"REGIE_DEVELOPMENT": "true", "REGIE_PORT": str(NUMBERS[0]), "REGIE_DATA_DIR": str(data)}
    command = [sys.executable, "-m", "regie.cli", "client", "add", "-", "--profile", "baseline", "--json"]
    done = subprocess.run(
        command, env=environment, input=json.dumps(file), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_axe_finds_nothing_on_the_pages_of_what_begins_elsewhere(page: Any, demo: Path) -> None:
    look, seen = looker(page)
    client = registered(demo)
    use = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address", "income"]}]

    def post(path: str, **form: str) -> dict[str, Any]:
        auth = (client["client_id"], client["client_secret"])
        answer: dict[str, Any] = httpx2.post(PROVIDER + path, data=form, auth=auth).json()
        return answer

    told = post("/oauth2/device_authorization", scope="openid", authorization_details=json.dumps(use))
    page.goto(f"{PROVIDER}/device")
    look("/device")
    page.fill("#field-user_code", "BBBB-BBBB")
    press(page, "main button[type=submit]")
    look("/device with an error")
    page.goto(told["verification_uri_complete"])
    look("/device with the code")
    press(page, "main button[type=submit]")
    look("the login page of a device")
    username, password, _ = LOGINS[2]
    page.fill("#field-username", username)
    page.fill("#field-password", password)
    press(page, "text=Verder")
    page.fill("#field-code", code_of(2))
    press(page, "main button[type=submit]")
    page.wait_for_url("**/confirm?**")
    look("/confirm of a device")
    press(page, "text=Ja, ik begon dit")
    look("/ask of a device")
    page.check("input[name=address][value=allow]")
    page.check("input[name=income][value=allow]")
    press(page, "text=Mijn antwoorden bevestigen")
    page.wait_for_url("**/device?allowed=1")
    look("/device, allowed")
    grant = "urn:ietf:params:oauth:grant-type:"
    tokens = post("/oauth2/token", grant_type=f"{grant}device_code", device_code=told["device_code"])

    hint = {"scope": "openid", "id_token_hint": tokens["id_token"]}
    post("/oauth2/bc-authorize", **hint, binding_message="Balie 4, nummer A-77")
    post("/oauth2/bc-authorize", **hint)
    page.goto(f"{PROVIDER}/my/requests")
    look("/my/requests")
    press(page, "main table button")
    page.wait_for_url("**/confirm?**")
    look("/confirm without a message")
    press(page, "text=Nee, stop dit")
    look("/my/requests, refused")
    press(page, "main table button")
    page.wait_for_url("**/confirm?**")
    look("/confirm with a message")
    press(page, "text=Ja, ik begon dit")
    look("/my/requests, allowed")
    token = post("/oauth2/token", grant_type="client_credentials", scope="consent:request")["access_token"]
    part = tokens["id_token"].split(".")[1]
    sub = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["sub"]
    uses = [{"purpose": "housing-benefit", "oneTime": True}]
    lodged = httpx2.post(
        f"{PROVIDER}/consent/v1/requests",
        json={"sub": sub, "uses": uses, "callback": BACK, "renew": True},
        headers={"authorization": f"Bearer {token}"},
    ).json()
    page.goto(f"{PROVIDER}/my/requests")
    look("/my/requests with a lodged one")
    page.goto(lodged["link"])
    look("a lodged request")
    press(page, "text=Mijn antwoorden bevestigen")
    look("a lodged request without answers")
    for said in ("impossible", "other"):
        for path in ("/my/requests", "/device"):
            page.goto(f"{PROVIDER}{path}?{said}=1")
            look(f"{path}, {said}")

    exchanged = post(
        "/oauth2/token",
        grant_type=f"{grant}token-exchange",
        subject_token=tokens["access_token"],
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        audience="tax-authority",
        authorization_details=json.dumps([{**use[0], "data": ["income"]}]),
    )
    assert "access_token" in exchanged
    page.goto(f"{PROVIDER}/my/history")
    assert "Zij hoorden wie u bij de ander bent" in page.text_content("main")
    look("/my/history with an exchange")
    page.goto(f"{PROVIDER}/my/withdraw-everything")
    look("/my/withdraw-everything")
    press(page, "main button[type=submit]")
    page.wait_for_url("**/my/withdraw-everything?done=1")
    look("/my/withdraw-everything, done")

    query = {"response_type": "code", "client_id": client["client_id"], "redirect_uri": BACK, "scope": "openid"}
    query |= {"code_challenge": "c" * 43, "code_challenge_method": "S256", "prompt": "select_account"}
    page.goto(f"{PROVIDER}/oauth2/authorize?{urlencode(query)}")
    page.wait_for_url("**/select?**")
    look("/select")

    assert not seen, json.dumps(seen, indent=1)
