"""The tour, walked over HTTP as a browser without script would walk it: links, forms, cookies, redirects.

Each step prints one line with what it saw. The first that sees something else ends the walk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2

from idp.authenticators.totp import code_at
from regie.demo.seed import LOGINS, Ports

MAX_HOPS = 12
HEARD_S = 15
"""An event is fetched within a second; a machine may be slow."""


class Surprise(Exception):
    """What was seen is not what should be."""


class _Forms(HTMLParser):
    """Forms with their fields, and the page's text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag == "input" and self.forms and given.get("type") == "hidden":
            self.forms[-1][1][given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self.text += " " + data.strip()


class Browser:
    """One person's browser."""

    def __init__(self) -> None:
        self._http = httpx2.Client(timeout=20, headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/130.0"})
        self.page = _Forms()
        self.url = ""

    def get(self, url: str) -> None:
        self._follow(self._http.get(url))

    def submit(self, action: str, **fields: str) -> None:
        """Send the form that leads to `action`, with its hidden fields and these."""
        found = next((hidden for where, hidden in self.page.forms if where == action), None)
        if found is None:
            raise Surprise(f"there is no form to {action} at {self.url}")
        self._follow(self._http.post(urljoin(self.url, action), data={**found, **fields}))

    def json(self, url: str) -> dict[str, Any]:
        body: dict[str, Any] = self._http.get(url).json()
        return body

    def post_json(self, url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self._http.post(url, json=body)
        return answer.status_code, answer.json()

    def _follow(self, answer: httpx2.Response) -> None:
        for _ in range(MAX_HOPS):
            if answer.status_code not in (302, 303):
                break
            answer = self._http.get(urljoin(str(answer.url), answer.headers["location"]))
        if answer.status_code >= 400:
            raise Surprise(f"{answer.url} answered {answer.status_code}")
        self.url = str(answer.url)
        self.page = _Forms()
        self.page.feed(answer.text)

    def close(self) -> None:
        self._http.close()


class Tour:
    def __init__(self, ports: Ports) -> None:
        self.provider, self.municipality = ports.url("provider"), ports.url("municipality")
        self.insurer, self.tax = ports.url("insurer"), ports.url("tax")
        self.browser = Browser()
        self.permit = ""

    def log_in(self) -> str:
        username, password, secret = LOGINS[0]
        self.browser.get(f"{self.municipality}/login")
        self.browser.submit("/login/password", username=username, password=password)
        self.browser.submit("/login/totp", code=code_at(secret, datetime.now(UTC)))
        _expect("/ask" in self.browser.url, f"the asking page, not {self.browser.url}")
        return f"logged in as {username} with password and code; Regie asks what the municipality may know"

    def consent(self) -> str:
        self.browser.submit("/ask", address="allow", income="deny")
        _expect(self.browser.url.startswith(self.municipality), "the municipality again")
        return "address allowed, income refused; back at the municipality"

    def second_agency(self) -> str:
        self.browser.get(f"{self.insurer}/login")
        _expect("/ask" in self.browser.url, f"a question and no login, not {self.browser.url}")
        self.browser.submit("/ask", **{"birth-date": "allow"})
        _expect("1942" in self.browser.page.text or "19" in self.browser.page.text, "a birth date")
        return "no second login at the insurer; it was given the birth date and nothing else"

    def address(self) -> str:
        outcome = self.browser.json(f"{self.municipality}/use?data=address")
        _expect(outcome["decision"] == "allowed", f"a permit for the address: {outcome}")
        address = outcome["data"]["address"]["formatted"].replace("\n", ", ")
        return f"permit granted, the population register released: {address}"

    def no_income(self) -> str:
        outcome = self.browser.json(f"{self.municipality}/use?data=income")
        _expect(outcome == {"decision": "denied", "reason": "refused"}, f"a refusal: {outcome}")
        return "permit for income denied: refused by the citizen"

    def consent_to_income(self) -> str:
        self.browser.get(f"{self.municipality}/login")
        _expect("/ask" in self.browser.url, "the question about income, again")
        self.browser.submit("/ask", income="allow")
        return "asked anew about income alone, and allowed"

    def income(self) -> str:
        outcome = self.browser.json(f"{self.municipality}/use?data=income")
        _expect(outcome["decision"] == "allowed", f"a permit for income: {outcome}")
        held = self.browser.json(f"{self.municipality}/held")["held"]
        _expect(held == ["address", "income"], f"both held by the municipality, not {held}")
        self.permit = outcome["permit"]
        return f"the tax authority released against the permit: € {outcome['data']['yearly']:,} a year"

    def same_permit(self) -> str:
        status, body = self.browser.post_json(f"{self.tax}/releases", {"permit": self.permit})
        _expect(status == 403 and body["reason"] == "redeemed", f"a refusal, not {status} {body}")
        return "the same permit a second time: refused"

    def history(self) -> str:
        self.browser.get(f"{self.provider}/my/history")
        text = self.browser.page.text
        allowed, denied = text.count("Toegestaan"), text.count("Geweigerd")
        _expect(
            all(word in text for word in ("Gemeente Lindermeer", "Zorgverzekeraar Duinzicht", "Inkomen", "Adres")),
            "all uses",
        )
        _expect(allowed >= 3 and denied >= 1, f"three uses and one denied attempt, not {allowed} and {denied}")
        return "the citizen sees every use and the denied attempt"

    def withdraw(self) -> str:
        self.browser.get(f"{self.provider}/my/consents")
        wanted = _link(self._consents(), "Inkomen")
        self.browser.get(f"{self.provider}{wanted}/withdraw")
        self.browser.submit(f"{wanted}/withdraw")
        _expect("Dit is gestopt" in self.browser.page.text, "the confirmation")
        return "income withdrawn with one click and a confirmation"

    def no_more(self) -> str:
        outcome = self.browser.json(f"{self.municipality}/use?data=income")
        _expect(outcome == {"decision": "denied", "reason": "withdrawn"}, f"a refusal: {outcome}")
        return "the next permit for income: denied, withdrawn"

    def deleted(self) -> str:
        """It was told, and deletes what rested on that consent; what rests on another one stays."""
        held = self.browser.json(f"{self.municipality}/held")["held"]
        deadline = time.monotonic() + HEARD_S
        while "income" in held and time.monotonic() < deadline:
            time.sleep(0.1)
            held = self.browser.json(f"{self.municipality}/held")["held"]
        _expect(held == ["address"], f"the address alone, not {held}")
        return "the municipality heard of it, and deleted the income that it held; the address stays"

    def _consents(self) -> str:
        return self.browser._http.get(f"{self.provider}/my/consents").text  # noqa: SLF001 - one class in two parts


def walk(ports: Ports, *, as_json: bool = False) -> list[dict[str, Any]]:
    """Walk it; answers each step with `ok` and `saw`. Stops at the first surprise."""
    tour = Tour(ports)
    steps: list[tuple[str, Callable[[], str]]] = [
        ("log in at the municipality", tour.log_in),
        ("consent to address, refuse income", tour.consent),
        ("single sign-on at the insurer", tour.second_agency),
        ("permit for address", tour.address),
        ("permit for income", tour.no_income),
        ("consent to income", tour.consent_to_income),
        ("income released against a permit", tour.income),
        ("the same permit again", tour.same_permit),
        ("who used my data", tour.history),
        ("withdraw", tour.withdraw),
        ("permit after withdrawal", tour.no_more),
        ("what the agency held", tour.deleted),
    ]
    seen = []
    for number, (name, step) in enumerate(steps, 1):
        try:
            saw, ok = step(), True
        except (Surprise, httpx2.HTTPError, KeyError, ValueError) as error:
            saw, ok = f"expected {error}", False
        seen.append({"step": name, "ok": ok, "saw": saw})
        if not as_json:
            print(f"{number:2}. {'ok  ' if ok else 'FAIL'} {name}: {saw}", flush=True)
        if not ok:
            break
    tour.browser.close()
    return seen


def _expect(seen: bool, what: str) -> None:
    if not seen:
        raise Surprise(what)


def _link(html: str, after: str) -> str:
    """The detail address in the active row that names `after`."""
    for row in html.split("<tr>"):
        if after in row and "/withdraw" in row:
            return "/my/consents/" + row.split("/my/consents/")[1].split('"')[0].removesuffix("/withdraw")
    raise Surprise(f"an active consent for {after}")
