"""The example of docs/agencies.md, walked as it stands there, from the catalogue to the address."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agency.client import Client
from agency.example.__main__ import app
from agency.jose import Key
from regie.demo.run import free
from regie.demo.smoke import Browser
from tests.fixtures.server import HERE, Server, log_in

FILES = HERE / "agency" / "example"
pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)


@pytest.fixture
def site(server: Server, tmp_path: Path) -> Iterator[str]:
    """The example, registered and serving; its address."""
    own = f"http://localhost:{free(1)[0]}"
    environment = {**os.environ, "ISSUER": server.issuer, "OWN": own, "PYTHONPATH": str(HERE)}
    example = [sys.executable, "-m", "agency.example"]
    for name in ("population-register", "agency"):
        server.run("agency", "add", file=json.loads((FILES / f"{name}.json").read_text()))
    server.run("purpose", "add", file=json.loads((FILES / "purpose.json").read_text()))
    server.run("purpose", "publish", "parking-permit")
    made = subprocess.run([*example, "client"], cwd=tmp_path, env=environment, capture_output=True, check=True)
    registered = server.run("client", "add", file=json.loads(made.stdout))
    process = subprocess.Popen([*example, "serve", registered["client_id"]], cwd=tmp_path, env=environment)
    try:
        for _ in range(200):
            try:
                httpx2.get(own)
                break
            except httpx2.HTTPError:
                time.sleep(0.05)
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
        yield own
    finally:
        process.terminate()
        process.wait(10)


def by_hand(server: Server, directory: Path, sub: str) -> list[dict[str, Any]]:
    """What is told by the commands of the page's section “By hand”, run as they stand there."""
    page = (HERE / "docs" / "agencies.md").read_text()
    commands = page.split("## By hand", 1)[1].split("```")[1].replace("http://localhost:8000", server.issuer)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**server.environment, "PATH": path, "SUB": sub}
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=directory, env=environment, capture_output=True, check=True, timeout=60
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def test_a_citizen_logs_in_allows_the_address_and_stops_it(server: Server, site: str, tmp_path: Path) -> None:
    browser = Browser()
    browser.get(f"{site}/login")
    assert "U komt van Gemeente Westdam." in browser.page.text
    browser.submit("/language", language="en")
    assert "You come from Municipality of Westdam." in browser.page.text
    log_in(browser, f"{site}/login")
    browser.submit("/ask", address="allow")
    assert browser.url.startswith(site)
    assert "Kade 1" in browser.page.text
    (sub,) = re.findall(r"You are ([A-Za-z0-9_-]{43})", browser.page.text)
    if shutil.which("curl") and shutil.which("jq"):  # the one part of the page that needs more than Python
        checked, polled = by_hand(server, tmp_path, sub)
        assert (checked["decision"], checked["reason"]) == ("allowed", "consent")
        assert polled == {"sets": {}, "moreAvailable": False}

    browser.get(f"{server.issuer}/my/agencies/westdam/withdraw")
    browser.submit("/my/agencies/westdam/withdraw")
    browser.get(site)

    assert "not received: withdrawn" in browser.page.text
    browser.close()


async def test_who_gives_another_client_id_reads_what_is_wrong(server: Server) -> None:
    client = Client(server.issuer, "CLIENT_ID", Key.generate())
    example = httpx2.ASGITransport(app(client))
    async with client.http, httpx2.AsyncClient(transport=example, base_url="http://localhost:9000") as browser:
        answer = await browser.get("/login")

    assert answer.status_code == 502
    assert "Regie said: invalid_client. See “When it does not work”" in answer.text


def test_the_page_for_agencies_names_every_file_and_command(server: Server) -> None:
    page = (HERE / "docs" / "agencies.md").read_text()

    for file in FILES.glob("*.json"):
        assert f"agency/example/{file.name}" in page
    for command in ("client > client.json", "serve CLIENT_ID"):
        assert f"python -m agency.example {command}" in page
