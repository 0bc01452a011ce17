"""The citizen's own browser verifies a receipt, and is not deceived: altered answers, and a register that shows two histories."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from consent.ledger.checkpoint import Checkpoint, parse
from keys.notes import split
from tests.fixtures.browser import IN_A_BROWSER
from tests.fixtures.server import copied
from tests.fixtures.visitors import ring_of
from tests.flows.test_independent_client import Stopping, logged_in

if TYPE_CHECKING:
    from tests.fixtures.server import Server

__all__ = ["logged_in"]
pytestmark = IN_A_BROWSER
STEPS = ["file", "leaf", "key", "signature", "inclusion", "receipt", "today", "before"]


@pytest.fixture(scope="module", params=["sqlite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = copied(request.getfixturevalue("filled_server")(request), request, tmp_path_factory)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def receipt(server: Server, logged_in: Stopping) -> str:
    """The page on which the receipt of anna's answer is checked."""
    consents = logged_in._http.get(f"{server.issuer}/my/consents").text
    consent_id = consents.partition('href="/my/consents/')[2].partition('"')[0]
    return f"/my/receipts/{consent_id}"


@pytest.fixture(scope="module")
def cookies(server: Server, logged_in: Stopping) -> list[dict[str, Any]]:
    jar = logged_in._http.cookies.jar
    return [{"name": one.name, "value": one.value or "", "url": server.issuer} for one in jar]


@pytest.fixture
def page(chromium: Any, server: Server, cookies: list[dict[str, Any]]) -> Iterator[Any]:
    """A browser of anna's that has seen nothing yet."""
    context = chromium.new_context(base_url=server.issuer, viewport={"width": 360, "height": 740}, locale="nl-NL")
    context.add_cookies(cookies)
    yield context.new_page()
    context.close()


def checked(page: Any, receipt: str) -> dict[str, str]:
    """What the page says of each step, and its verdict."""
    page.goto(f"{receipt}/check")
    page.wait_for_selector("[data-verdict]:not([hidden])")
    shown = page.locator("[data-verdict]:not([hidden])")
    steps = {one: page.locator(f"[data-step={one}]").get_attribute("data-outcome") or "" for one in STEPS}
    return {**steps, "verdict": shown.get_attribute("data-verdict") or ""}


def altered(page: Any, address: str, change: Callable[[str], str]) -> None:
    """From now on this address answers something else."""

    def answer(route: Any) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=change(response.text()))

    page.route(lambda url: url.endswith(address), answer)


def member(name: str, change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda body: json.dumps({**json.loads(body), name: change(json.loads(body)[name])})


def signed(server: Server, size: int, root: bytes) -> str:
    """A checkpoint that the ledger's own key signs, of a tree that is not the one that others see."""
    origin = f"localhost:{server.port}/ledger"
    return ring_of(server).ledger.sign(origin, Checkpoint(origin, size, root).text)


class TestTrue:
    def test_it_says_what_it_checked_and_remembers_the_ledger(self, page: Any, receipt: str) -> None:
        assert checked(page, receipt) == {**dict.fromkeys(STEPS, "ok"), "verdict": "ok"}
        assert "Het bewijs klopt" in page.text_content("main")
        assert "voor het eerst" in page.text_content("[data-step=before]")
        assert '"category": "birth-date"' in page.text_content("#receipt-entry")

        assert checked(page, receipt)["verdict"] == "ok"
        assert f"{datetime.now(UTC):%Y-%m-%d}" in page.text_content("[data-step=before]")

    def test_so_it_does_in_a_browser_without_ed25519(self, page: Any, receipt: str) -> None:
        page.add_init_script("""
            const importKey = crypto.subtle.importKey.bind(crypto.subtle);
            crypto.subtle.importKey = (format, key, how, ...rest) =>
                how === "Ed25519" ? Promise.reject(new DOMException("", "NotSupportedError")) : importKey(format, key, how, ...rest);
        """)

        assert checked(page, receipt)["verdict"] == "ok"

    def test_without_a_script_it_says_what_to_do_instead(
        self, chromium: Any, server: Server, cookies: list[dict[str, Any]], receipt: str
    ) -> None:
        context = chromium.new_context(base_url=server.issuer, java_script_enabled=False, locale="nl-NL")
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(f"{receipt}/check")

        assert "Uw browser kan dit niet zelf controleren" in page.inner_text("main")
        assert page.locator("section[data-receipt]").is_hidden()
        assert page.locator(f"a[href='{receipt}']").is_visible()
        context.close()


class TestDeceived:
    @pytest.mark.parametrize(
        ("name", "change", "step"),
        [
            ("entry", lambda text: text.replace("given", "taken"), "inclusion"),
            ("entry", lambda _: "", "file"),
            ("salt", lambda text: base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="), "inclusion"),
            ("salt", lambda text: text[:20], "file"),
            ("proof", lambda text: text.replace("index ", "index 1"), "inclusion"),
            ("proof", lambda text: text.replace("\n— ", "\n- "), "signature"),
            ("proof", lambda text: text.replace("tlog-proof@v1", "tlog-proof@v2"), "signature"),
            ("proof", lambda text: text.replace("/ledger\n", "/ledger/2\n"), "signature"),
            ("receipt", lambda text: text.replace(".", ".A", 1), "receipt"),
            ("receipt", lambda text: text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB"), "receipt"),
        ],
    )
    def test_what_was_altered_in_the_file_is_named(
        self, page: Any, receipt: str, name: str, change: Callable[[str], str], step: str
    ) -> None:
        altered(page, receipt, member(name, change))

        found = checked(page, receipt)

        assert (found[step], found["verdict"]) == ("wrong", "wrong")
        assert [found[one] for one in STEPS[: STEPS.index(step)]] == ["ok"] * STEPS.index(step)

    def test_a_signature_that_bears_the_ledgers_name_and_is_not_its_own(self, page: Any, receipt: str) -> None:
        def other(proof: str) -> str:
            head, _, lines = proof.rpartition("\n\n")
            line = lines.split("\n")[0]
            raw = bytearray(base64.b64decode(line.split(" ")[2]))
            raw[10] ^= 1
            return f"{head}\n\n{line.rpartition(' ')[0]} {base64.b64encode(raw).decode()}\n"

        altered(page, receipt, member("proof", other))

        assert checked(page, receipt)["signature"] == "wrong"

    def test_a_receipt_that_asks_for_no_signature(self, page: Any, receipt: str, server: Server) -> None:
        """All of it is true but the receipt, which nobody signed."""
        header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"receipt+jwt"}').decode().rstrip("=")
        altered(page, receipt, member("receipt", lambda text: f"{header}.{text.split('.')[1]}."))

        assert checked(page, receipt)["receipt"] == "wrong"

    def test_keys_that_were_replaced_since_the_last_time(self, page: Any, receipt: str, server: Server) -> None:
        assert checked(page, receipt)["verdict"] == "ok"
        altered(page, "/ledger/key", lambda text: "\n".join(text.split("\n")[1:]))

        found = checked(page, receipt)

        assert (found["key"], found["verdict"]) == ("wrong", "wrong")

    @pytest.mark.parametrize("more", [0, 7])
    def test_a_history_that_others_do_not_see(self, page: Any, receipt: str, server: Server, more: int) -> None:
        """M-19: the register signs a second history, for this citizen alone; his browser knows the first."""
        assert checked(page, receipt)["verdict"] == "ok"
        altered(
            page, "/ledger/checkpoint", lambda note: signed(server, parse(split(note)[0]).size + more, os.urandom(32))
        )
        page.route(
            lambda url: "/ledger/proofs/consistency" in url,
            lambda route: route.fulfill(json={"first": 1, "second": 2, "consistency_path": []}),
        )

        found = checked(page, receipt)

        assert (found["today"], found["verdict"]) == ("wrong", "wrong")

    def test_a_history_that_was_cut_off(self, page: Any, receipt: str, server: Server) -> None:
        """Smaller than what this browser saw: even when the receipt's own event is still in it."""
        page.goto(f"{receipt}/check")
        assert checked(page, receipt)["verdict"] == "ok"
        page.evaluate(
            """note => { const kept = JSON.parse(localStorage.getItem("regie-ledger"));
                         localStorage.setItem("regie-ledger", JSON.stringify({ ...kept, note })); }""",
            signed(server, 10_000, os.urandom(32)),
        )

        found = checked(page, receipt)

        assert (found["today"], found["before"], found["verdict"]) == ("ok", "wrong", "wrong")

    def test_a_ledger_that_does_not_answer_is_no_proof_and_no_alarm(self, page: Any, receipt: str) -> None:
        page.route(lambda url: url.endswith("/ledger/checkpoint"), lambda route: route.abort())

        found = checked(page, receipt)

        assert (found["today"], found["verdict"]) == ("unknown", "unknown")


def test_the_receipt_of_another_is_not_found(page: Any, receipt: str, server: Server) -> None:
    answered = page.goto(f"/my/receipts/{'x' * 22}/check")

    assert answered.status == 404
