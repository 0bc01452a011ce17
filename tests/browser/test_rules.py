"""The rules of the pages, each in a real browser: what asking, stopping and looking back must be. Without script.

Which are tested here, which elsewhere and which are not met: docs/page-rules.md.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.browser.test_pages import looker
from tests.fixtures.browser import IN_A_BROWSER, press
from tests.fixtures.server import copied
from tests.fixtures.visitors import Visitor, citizen, claims
from tests.flows.test_independent_client import address, answer_of, redeem

if TYPE_CHECKING:
    from tests.fixtures.server import Server

pytestmark = IN_A_BROWSER
BOX, DESK = "b" * 40, "consent:permit consent:request"
CONFIRM, STOP_ASKING = "main button:not([name=stop])", "main button[name=stop]"
PARKING = {
    "id": "parking",
    "agency": "municipality",
    "title": {"nl": "Parkeren", "en": "Parking"},
    "explanation": {"nl": "De gemeente kijkt of u hier woont.", "en": "The municipality sees whether you live here."},
    "refusal": {"nl": "Dit kunt u niet weigeren.", "en": "You cannot refuse this."},
    "legalBasis": "public_task",
    "statute": "Parkeerverordening",
    "data": ["address"],
    "maxDurationDays": 30,
}
BOXES = """names => names.map(name => {
    const box = document.querySelector(name).closest("label"), style = getComputedStyle(box);
    const { width, height } = box.getBoundingClientRect();
    return [Math.round(width), Math.round(height), style.color, style.backgroundColor, style.borderColor,
            style.borderWidth, style.fontSize, style.fontWeight, style.opacity].join(" ");
})"""


class Outside(BaseHTTPRequestHandler):
    """The page of the municipality that the citizen comes back to; and the message box, which keeps its letters."""

    letters: ClassVar[Queue[dict[str, Any]]] = Queue()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.letters.put({**body, "authorization": self.headers["authorization"]})
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def back() -> Iterator[str]:
    """Where the client awaits the citizen: a browser goes to no port that was never meant for pages."""
    client = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=client.serve_forever, daemon=True).start()
    yield f"http://localhost:{client.server_address[1]}/callback"
    client.shutdown()
    client.server_close()


@pytest.fixture(scope="module", params=["sqlite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, back: str) -> Iterator[Server]:
    made = copied(request.getfixturevalue("filled_server")(request), request, tmp_path_factory)
    made.environment |= {"REGIE_MESSAGE_BOX_URL": back.replace("callback", "letters"), "REGIE_MESSAGE_BOX_SECRET": BOX}
    made.start()
    try:
        made.tell("purpose add", file=PARKING)
        made.tell("purpose publish", id="parking")
        made.register(
            "desk",
            "baseline",
            agency="municipality",
            scope=DESK,
            grant_types=["client_credentials"],
            redirect_uris=[back],
        )
        made.register("housing", "baseline", agency="municipality", scope="openid", redirect_uris=[back])
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def visitor(server: Server) -> Iterator[Callable[..., Visitor]]:
    """A citizen who has just logged in, new for each name."""
    came: list[Visitor] = []

    def come(username: str, **members: Any) -> Visitor:
        citizen(server, username, **members)
        one = Visitor(server, username)
        came.append(one)
        one.log_in()
        return one

    yield come
    for one in came:
        one.close()


@pytest.fixture(scope="module")
def reader(visitor: Callable[..., Visitor]) -> Visitor:
    """Who looks and never answers."""
    return visitor("reader")


@pytest.fixture
def open_page(chromium: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """This citizen's browser, without script."""
    opened = []

    def start(one: Visitor, **more: Any) -> Any:
        context = chromium.new_context(
            base_url=server.issuer,
            viewport={"width": 1280, "height": 1024},
            **{"java_script_enabled": False, "locale": "en-GB", **more},
        )
        jar = one._http.cookies.jar
        context.add_cookies([{"name": c.name, "value": c.value or "", "url": server.issuer} for c in jar])
        opened.append(context)
        return context.new_page()

    yield start
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def asking(server: Server, back: str) -> Callable[..., str]:
    """Where the municipality asks for all that housing benefit needs."""

    def where(**use: Any) -> str:
        details = json.dumps([{"type": "personal_data_use", "purpose": "housing-benefit", **use}])
        client = server.clients["housing"]
        return address(server, client, scope="openid", redirect_uri=back, authorization_details=details)

    return where


@pytest.fixture(scope="module")
def municipal(server: Server, back: str) -> Callable[..., httpx2.Response]:
    """The municipality's own software calls the registry about the citizen who has just come back to it."""

    def call(page: Any, what: str, **body: Any) -> httpx2.Response:
        code = dict(parse_qsl(urlsplit(page.url).query))["code"]
        sub = claims(redeem(server, server.clients["housing"], code, redirect_uri=back).json()["id_token"])["sub"]
        desk = server.clients["desk"]
        form = {"grant_type": "client_credentials", "scope": DESK}
        token = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(desk.client_id, desk.secret))
        headers = {"authorization": f"Bearer {token.json()['access_token']}"}
        done = httpx2.post(f"{server.issuer}/consent/v1/{what}", json={"sub": sub, **body}, headers=headers)
        assert done.status_code == 201, done.text
        return done

    return call


@pytest.fixture(scope="module")
def permitted(municipal: Callable[..., httpx2.Response]) -> Callable[..., None]:
    """It is permitted one kind of data of him."""

    def permit(page: Any, purpose: str, category: str) -> None:
        municipal(page, "permits", purpose=purpose, data=[category], source="population-register")

    return permit


def told(page: Any) -> set[str]:
    """What the client was told when the citizen came back to it."""
    where = urlsplit(page.url)
    assert where.path == "/callback", page.url
    return {name if name != "error" else value for name, value in parse_qsl(where.query)} - {"state", "iss"}


def answer(page: Any, **answers: str) -> int:
    """Each item by one click, and the confirmation; answers how many clicks that was."""
    for name, value in answers.items():
        page.click(f"input[name={name}][value={value}]")
    press(page, CONFIRM)
    return len(answers) + 1


def faults(page: Any, where: str) -> dict[str, list[str]]:
    """What axe finds there, or what scrolls sideways. It needs the script that nobody else here needs."""
    page.goto(where)
    look, seen = looker(page)
    look(where)
    return seen


def consents(page: Any) -> list[str]:
    page.goto("/my/consents")
    return [one.inner_text() for one in page.locator("tbody tr").all()]


def test_rule_01_and_22_stopping_takes_no_more_clicks_than_giving_and_who_will_be_told_is_said_before(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    """And no other login."""
    page = open_page(visitor("rule01"))
    page.goto(asking(data=["address"]))
    assert "Municipality of Lindermeer is told what you answer." in page.inner_text("main form")
    giving = answer(page, address="allow")
    page.goto("/my/agencies/municipality/withdraw")
    assert "We tell the organisation." in page.inner_text("main")
    page.goto("/my/withdraw-everything")
    assert "The organisations are told" in page.inner_text("main")
    page.goto("/my/consents")
    where = page.get_attribute("main tbody a[href$=withdraw]", "href")
    page.goto(where)
    assert "We tell the organisation." in page.inner_text("main")

    page.goto("/my/consents")
    for stopping, one in enumerate(("main tbody >> text=Stop", "main >> text=Yes, stop"), 1):
        assert "This has stopped" not in page.inner_text("main")
        press(page, one)
        assert stopping <= giving

    assert "This has stopped" in page.inner_text("main")


def test_rule_02_allow_and_deny_are_alike(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    """Size, colours, letters; the next to be reached by the same key; as many steps to either end."""
    page = open_page(visitor("rule02"))
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(asking())
        allow, deny = page.evaluate(BOXES, ["input[name=address][value=allow]", "input[name=address][value=deny]"])
        assert allow == deny
    page.focus("input[name=address][value=allow]")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name=address]:checked").get_attribute("value") == "deny"
    page.keyboard.press("ArrowLeft")
    assert page.locator("input[name=address]:checked").get_attribute("value") == "allow"

    denied = answer(page, address="deny", income="deny")
    assert told(page) == {"code"}
    other = open_page(visitor("rule02b"))
    other.goto(asking())

    assert answer(other, address="allow", income="allow") == denied
    assert told(other) == {"code"}


def test_rule_03_nothing_is_chosen_beforehand_and_nothing_counts_before_all_is(
    asking: Callable[..., str], reader: Visitor, open_page: Callable[..., Any]
) -> None:
    page = open_page(reader)
    page.goto(asking())
    assert page.locator("input[type=radio]").count() == 4
    assert page.locator("input:checked").count() == 0

    answer(page, address="allow")

    assert page.locator("[aria-invalid], .utrecht-form-field--invalid").count() == 1
    assert "Income" in page.inner_text("#error-summary")
    assert consents(page) == []


def test_rule_04_looking_waiting_and_closing_give_nothing(
    asking: Callable[..., str], reader: Visitor, open_page: Callable[..., Any]
) -> None:
    page = open_page(reader)
    page.goto(asking())
    page.click("input[name=address][value=allow]")
    page.click("input[name=income][value=allow]")
    page.mouse.wheel(0, 5000)
    page.close()
    page = open_page(reader)
    assert consents(page) == []

    page.goto(asking())
    page.click("input[name=address][value=allow]")
    press(page, STOP_ASKING)

    assert told(page) == {"access_denied", "error_description"}
    assert consents(page) == []


def test_rule_05_one_switch_is_of_one_kind_of_data_for_one_purpose(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    page = open_page(visitor("rule05"))
    page.goto(asking())
    assert page.locator("fieldset").count() == 2
    assert "Your health insurance premium" not in page.inner_text("main")

    answer(page, address="allow", income="deny")

    rows = consents(page)
    assert sorted("Active" if "Active" in one else "Refused" for one in rows) == ["Active", "Refused"]
    assert all("Housing benefit" in one for one in rows)


@pytest.mark.parametrize(
    ("use", "how_long"),
    [({}, "every time it is needed for this purpose"), ({"one_time": True}, "One time, within")],
)
def test_rule_06_the_first_page_says_it_all(
    asking: Callable[..., str],
    reader: Visitor,
    open_page: Callable[..., Any],
    use: dict[str, Any],
    how_long: str,
) -> None:
    page = open_page(reader)
    page.goto(asking(**use))
    said = page.inner_text("main")

    for one in (
        "Municipality of",
        "Comes from:",
        "Address",
        "Income",
        "whether you can get housing benefit",
        how_long,
        "How long they keep it",
        "2 years",
        "Benefits office",
        "You can change your answer at any time in Regie",
    ):
        assert one in said
    assert page.locator("details").count() == 0


def test_rule_09_what_refusing_means_is_said_before_and_refusing_goes_on(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    """What does not need the data is given all the same: the login."""
    page = open_page(visitor("rule09"))
    page.goto(asking())
    assert "You can also apply on paper." in page.inner_text("main")

    answer(page, address="deny", income="deny")

    assert told(page) == {"code"}


def test_rule_10_asked_again_it_says_what_is_different_and_asks_that_alone(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    page = open_page(visitor("rule10"))
    page.goto(asking(data=["address"]))
    answer(page, address="allow")

    page.goto(asking())

    assert page.locator("fieldset").count() == 1
    assert "This is new." in page.inner_text("fieldset:has(input[name=income])")
    assert "You allowed this before: Address." in page.inner_text("main")
    answer(page, income="deny")
    page.goto(f"{asking()}&prompt=consent")
    assert "Your answer takes the place of that." in page.inner_text("fieldset:has(input[name=address])")
    assert "You allow this now" not in page.inner_text("fieldset:has(input[name=income])")


def test_rule_11_where_it_goes_on_is_said_before(
    asking: Callable[..., str], reader: Visitor, open_page: Callable[..., Any], chromium: Any
) -> None:
    stranger = chromium.new_context(locale="en-GB", java_script_enabled=False).new_page()
    stranger.goto(asking())
    assert "After logging in you go back there." in stranger.inner_text("main")
    stranger.context.close()
    page = open_page(reader)
    page.goto(asking())

    assert "After this you go back to Municipality of" in page.inner_text("main form")
    assert page.inner_text(STOP_ASKING) == "Stop, go back without answering"


def test_rule_12_nothing_else_is_offered_while_asking(
    asking: Callable[..., str], reader: Visitor, open_page: Callable[..., Any]
) -> None:
    """No link and no button but the law, the answers and the way back; nothing is loaded from elsewhere."""
    page = open_page(reader)
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(asking())

    links = [one.get_attribute("href") for one in page.locator("main a").all()]
    assert links == ["https://eur-lex.europa.eu/eli/reg/2016/679/oj"]
    assert page.locator("main button").count() == 2
    assert page.locator("main img, main iframe, main video").count() == 0
    assert loaded
    assert {urlsplit(one).netloc for one in loaded} == {urlsplit(page.url).netloc}


def letter(kind: str, says: str) -> dict[str, Any]:
    """The next letter of this kind with these words in it; others that arrive meanwhile are other tests'."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        one = Outside.letters.get(timeout=20)
        if one["kind"] == kind and says in one["text"]:
            return one
    raise AssertionError(f"no letter says {says}")


def test_rule_13_a_receipt_comes_in_the_message_box_and_so_does_the_end(
    server: Server, asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    """One letter of an answer, whatever it holds, in his own language."""
    page = open_page(visitor("rule13"))
    page.goto(asking(one_time=True))
    answer(page, address="allow", income="deny")

    received = letter("consent.answered", "for one time until")

    assert received["authorization"] == f"Bearer {BOX}"
    assert received["language"] == "en"
    assert received["subject"] == "Your answer to Municipality of Lindermeer"
    for one in (
        "You allow Municipality of Lindermeer to use, for one time until",
        "Address. It comes from Population register. It is for: Housing benefit.",
        "You do not allow Municipality of Lindermeer to use: Income.",
        "to stop it, at any time",
        f"{server.issuer}/my/consents",
    ):
        assert one in received["text"]
    page.goto("/my/consents")
    press(page, "main tbody >> text=Stop")
    press(page, CONFIRM)
    assert letter("consent.ended", "gets no more: Address")["recipient"] == received["recipient"]


def test_rule_15_the_consents_are_one_click_from_the_overview_and_two_from_the_home_page(
    reader: Visitor, open_page: Callable[..., Any]
) -> None:
    page = open_page(reader)
    page.goto("/")
    press(page, "main >> text=To my overview")
    press(page, "main >> text=See or stop my consents")

    assert page.url.endswith("/my/consents")
    assert page.inner_text("h1") == "My consents"


def test_rule_16_and_17_the_list_shows_what_matters_and_can_be_searched_sorted_and_filtered(
    server: Server, asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    one = visitor("rule16")
    page = open_page(one)
    page.goto(asking())
    answer(page, address="allow", income="deny")
    one.get(address(server, server.clients["baseline"]))
    one.submit("/ask", **{"birth-date": "allow"})
    token = redeem(server, server.clients["baseline"], answer_of(one)["code"]).json()["access_token"]
    httpx2.get(f"{server.issuer}/oauth2/userinfo", headers={"authorization": f"Bearer {token}"}).raise_for_status()
    page.goto("/my/consents")
    assert page.locator("thead th").all_inner_texts()[:7] == [
        "Organisation", "Purpose", "Data", "Status", "Answered", "Until", "Last used"
    ]  # fmt: skip

    def found(**choices: str) -> list[str]:
        page.goto("/my/consents")
        page.fill("input[name=search]", choices.pop("search", ""))
        for name, label in choices.items():
            page.select_option(f"select[name={name}]", label=label)
        press(page, "main form button")
        return [one.split("\t")[2] for one in page.locator("tbody tr").all_inner_texts()]

    assert found() == ["Birth date", "Income", "Address"]
    assert found(search="HOUSING address") == ["Address"]
    assert found(search="nothing like it") == []
    assert "No consent is like this." in page.inner_text("main")
    assert found(state="Refused") == ["Income"]
    assert found(agency="Health insurer Duinzicht") == ["Birth date"]
    assert found(order="Organisation")[0] == "Birth date"
    assert found(order="Last used")[0] == "Birth date"
    assert "Never" not in page.inner_text("tbody tr >> nth=0")
    assert found(order="First to end") == ["Birth date", "Address", "Income"]
    assert page.input_value("select[name=order]") == "ending"


def test_rule_18_and_27_what_ended_stays_with_its_reason_and_how_to_undo_it(
    asking: Callable[..., str], visitor: Callable[..., Visitor], open_page: Callable[..., Any]
) -> None:
    """Success is a heading, a picture and a text; the reason is a text too."""
    page = open_page(visitor("rule18"))
    page.goto(asking())
    answer(page, address="allow", income="deny")
    page.goto("/my/consents")
    press(page, "main tbody a[href$=withdraw]")
    press(page, CONFIRM)

    done = page.locator("main .utrecht-alert--ok")
    assert done.locator("h2").inner_text() == "This has stopped"
    assert done.locator("svg").count() == 1
    rows = consents(page)
    assert len(rows) == 2
    assert {"Withdrawn", "Refused"} == {
        reason for one in rows for reason in ("Active", "Withdrawn", "Refused") if reason in one
    }


def test_rule_19_and_20_before_the_last_step_it_says_what_follows_offers_deletion_and_asks_for_nothing(
    asking: Callable[..., str],
    visitor: Callable[..., Visitor],
    open_page: Callable[..., Any],
    permitted: Callable[..., None],
) -> None:
    """Consequences, what was shared already, whom to ask to delete it; no reason, no payment, no call."""
    one = visitor("rule19")
    page = open_page(one)
    page.goto(asking())
    answer(page, address="allow", income="allow")
    permitted(page, "housing-benefit", "address")
    page.goto("/my/consents?search=income")
    press(page, "main tbody >> text=Stop")
    assert "used nothing of this so far" in page.inner_text("main")
    assert page.locator("main :is(input:not([type=hidden]), textarea, select)").count() == 0
    page.goto("/my/consents?search=address")
    press(page, "main tbody >> text=Stop")
    said = page.inner_text("main")

    assert "You can also apply on paper." in said
    assert "What the organisation already received" in said
    assert "You need no reason and it costs nothing." in said
    assert not page.is_checked("input[name=delete]")
    assert sum("Active" in one for one in consents(page)) == 2
    page.go_back()
    assert faults(open_page(one, java_script_enabled=True), page.url) == {}
    page.check("input[name=delete]")
    press(page, CONFIRM)
    assert "You also asked to delete what it already has." in page.inner_text(".utrecht-alert--ok")
    press(page, ".utrecht-alert--ok >> text=My complaints and requests")
    assert page.locator("tbody tr").count() == 1
    assert "Request to delete" in page.inner_text("tbody tr")


def test_rule_21_who_is_no_guardian_acts_for_nobody(
    asking: Callable[..., str], visitor: Callable[..., Visitor], reader: Visitor, open_page: Callable[..., Any]
) -> None:
    """What is asked of one, or was answered by him, is nothing to whoever else is logged in; his name is on the page."""
    page, other = open_page(visitor("rule21")), open_page(reader)
    page.goto(asking())
    assert "rule21 Voorbeeld" in page.inner_text("header")
    assert other.goto(page.url).status == 400
    answer(page, address="allow", income="deny")
    page.goto("/my/consents")
    where = page.locator("main tbody a").first.get_attribute("href")

    assert page.goto(where).status == 200
    for one in (where, f"{where}/withdraw", where.replace("consents", "receipts")):
        assert other.goto(one).status == 404
    assert consents(other) == []


def test_rule_21_and_28_a_guardian_answers_for_a_child_by_his_own_name_and_is_verified_when_he_decides(
    server: Server,
    back: str,
    asking: Callable[..., str],
    visitor: Callable[..., Visitor],
    open_page: Callable[..., Any],
    municipal: Callable[..., httpx2.Response],
) -> None:
    guardian, child = (
        "999900055",
        {"national_number": "999900043", "birth_date": f"{datetime.now(UTC).year - 10}-06-01"},
    )
    parent, noor = visitor("Parent", national_number=guardian), visitor("Noor", **child, guardians=[guardian])
    page, own = open_page(parent), open_page(noor)
    body = {"uses": [{"purpose": "housing-benefit", "data": ["address"]}], "callback": back}
    links = []
    for _ in range(2):
        own.goto(f"{asking()}&prompt=consent")
        links.append(municipal(own, "requests", **body, renew=True).json()["link"])

    def names_the_child() -> bool:
        banner, title = page.inner_text("header .regie-acting"), page.title()
        return "You are acting for Noor Voorbeeld" in banner and "for Noor Voorbeeld" in title

    page.goto(links[0])
    assert names_the_child()
    assert "Parent Voorbeeld" in page.inner_text("header")
    assert "asks for data of Noor Voorbeeld" in page.inner_text("h1")
    asked = page.url
    answer(page, address="allow")
    assert urlsplit(page.url).path == "/callback"

    page.goto("/my")
    press(page, "main >> text=Noor Voorbeeld")
    for where in ("See or stop these consents", "Details"):
        assert names_the_child()
        press(page, f"main >> text={where}")
    assert names_the_child()
    assert "A guardian gave permission (this was you)" in page.inner_text("main")
    looking = open_page(parent, java_script_enabled=True)
    assert faults(looking, page.url) == {}
    own.goto("/my/consents")
    press(own, "main tbody >> text=Details")
    assert "A guardian gave permission" in own.inner_text("main")

    own.goto(f"{asking()}&prompt=consent")
    municipal(own, "permits", purpose="housing-benefit", data=["address"], source="population-register")
    page.goto("/my")
    press(page, "main >> text=Noor Voorbeeld")
    press(page, "main >> text=Complain, or ask to delete")
    assert names_the_child()
    assert faults(looking, page.url) == {}
    page.click("input[value=erasure]")
    press(page, "main form button")
    assert names_the_child()
    assert "It was sent" in page.inner_text("main")
    press(page, "a[href$='/complaints']")
    assert faults(looking, page.url) == {}

    page.goto(links[1])
    assert faults(looking, page.url) == {}
    page.click("input[name=address][value=deny]")
    citizen(server, "Noor", **child, guardians=[])
    press(page, CONFIRM)
    assert page.inner_text("h1") == "You cannot decide this for a child"
    assert page.goto(asked).status == 404
    assert [one for one in consents(own) if "Active" not in one] == []


def test_rule_08_and_23_uses_are_listed_newest_first_and_what_needs_no_permission_has_no_switch(
    server: Server,
    asking: Callable[..., str],
    visitor: Callable[..., Visitor],
    open_page: Callable[..., Any],
    permitted: Callable[..., None],
) -> None:
    page = open_page(visitor("rule08"))
    page.goto(asking())
    answer(page, address="allow", income="deny")
    permitted(page, "housing-benefit", "address")
    page.goto(asking(purpose="parking"))
    assert told(page) == {"code"}
    permitted(page, "parking", "address")

    page.goto("/my/history")

    table = page.locator("main table").last
    rows = [one.split("\t") for one in table.locator("tbody tr").all_inner_texts()]
    assert [[cell.split("\n")[0] for cell in row[1:5]] for row in rows] == [
        ["Municipality of Lindermeer", "Parking", "Address", "Public task"],
        ["Municipality of Lindermeer", "Housing benefit", "Address", "Permission"],
    ]
    newest = table.locator("tbody tr").first
    assert newest.locator("input, button").count() == 0
    assert "you can object" in newest.inner_text()
    press(page, "main table >> nth=-1 >> tbody tr >> nth=0 >> a[href$=complaint]")
    assert page.locator("main form textarea").count() == 1
    assert not any("Parking" in one for one in consents(page))


def test_rule_23_an_empty_history_says_since_when_it_was_kept(reader: Visitor, open_page: Callable[..., Any]) -> None:
    page = open_page(reader)
    page.goto("/my/history")

    assert "recording began when this service did" in page.inner_text("main")


@pytest.mark.parametrize("use", [{"duration_days": 366}, {"data": ["address", "income", "birth-date"]}])
def test_rule_24_more_than_the_purpose_allows_is_not_asked(
    asking: Callable[..., str], reader: Visitor, open_page: Callable[..., Any], use: dict[str, Any]
) -> None:
    page = open_page(reader)

    page.goto(asking(**use))

    assert told(page) == {"invalid_authorization_details", "error_description"}
    assert consents(page) == []


def test_rule_28_who_is_too_young_is_asked_nothing_and_logs_in_all_the_same(
    back: str,
    asking: Callable[..., str],
    open_page: Callable[..., Any],
    visitor: Callable[..., Visitor],
    municipal: Callable[..., httpx2.Response],
) -> None:
    """Neither while he logs in, nor where the agency lodged a request."""
    child = visitor("rule28", birth_date=f"{datetime.now(UTC).year - 10}-06-01")
    page = open_page(child)
    page.goto(f"{asking()}&prompt=consent")
    assert told(page) == {"code"}

    uses = [{"purpose": "housing-benefit", "data": ["address"], "durationDays": 30}]
    page.goto(municipal(page, "requests", uses=uses, callback=back).json()["link"])

    assert page.inner_text("h1") == "A parent decides this"
    assert "Your parent or guardian can answer this" in page.inner_text("main")
    assert page.locator("main input:not([type=hidden])").count() == 0
    assert faults(open_page(child, java_script_enabled=True), page.url) == {}
    press(page, "main button")
    assert urlsplit(page.url).path == "/callback"
    assert consents(page) == []
