"""What a citizen and a stranger can prove of a running house: a receipt, and the whole log, over HTTP and by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from agency import receipt
from tests.flows.test_independent_client import Stopping, logged_in

if TYPE_CHECKING:
    from tests.fixtures.server import Server

__all__ = ["logged_in"]


@pytest.fixture(scope="module")
def held(server: Server, logged_in: Stopping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receipt that anna downloads of her answer to the insurer, a moment after she gave it."""
    consents = logged_in._http.get(f"{server.issuer}/my/consents").text
    consent_id = consents.partition('href="/my/consents/')[2].partition('"')[0]
    answer = logged_in._http.get(f"{server.issuer}/my/receipts/{consent_id}")
    assert answer.status_code == 200
    file = tmp_path_factory.mktemp("held") / "receipt.json"
    file.write_bytes(answer.content)
    return file


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    return httpx2.get(f"{server.issuer}/ledger/key").text.split()[0]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, receipt.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_receipt_proves_itself_and_todays_ledger_goes_on_from_it(server: Server, held: Path, key: str) -> None:
    done = program(str(held), "--key", key, "--ledger", f"{server.issuer}/ledger")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["entry"]["category"] == "birth-date"
    assert told["size_today"] >= told["size"] > told["index"]


def test_so_says_the_command_line(server: Server, held: Path, key: str) -> None:
    told = server.run("receipt", "verify", str(held), "--key", key, "--ledger", f"{server.issuer}/ledger")

    assert told["verified"] is True


@pytest.mark.parametrize("address", ["http://localhost.attacker.example/ledger", "http://10.0.0.1/ledger", "file:///x"])
def test_nobody_is_asked_in_the_open(held: Path, key: str, address: str) -> None:
    done = program(str(held), "--key", key, "--ledger", address)

    assert (done.returncode, done.stdout) == (1, "")
    assert "must be https" in done.stderr


def test_a_stranger_audits_the_log_from_its_tiles(server: Server, held: Path, key: str) -> None:
    url = f"{server.issuer}/ledger"
    told = server.run("ledger", "verify", "--url", url, "--key", key, "--receipt", str(held))

    assert (told["ok"], told["findings"]) == (True, [])
    other = f"{key.partition('/')[0]}.other/{key.partition('/')[2]}"
    refused = server.run("ledger", "verify", "--url", url, "--key", other, expect=1)
    assert refused == {"error": "the key id is not this key's"}


def test_what_the_ledger_did_not_sign_accuses_nobody(server: Server, held: Path, key: str, tmp_path: Path) -> None:
    """A receipt with a checkpoint of somebody's making: no finding against the ledger, but no receipt."""
    file = json.loads(held.read_text())
    lines = file["proof"].split("\n")
    at = lines.index("") + 3
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps({**file, "proof": "\n".join([*lines[:at], "A" * 43 + "=", *lines[at + 1 :]])}))
    for way in ([], ["--url", f"{server.issuer}/ledger", "--key", key]):
        refused = server.run("ledger", "verify", *way, "--receipt", str(forged), expect=1)

        assert refused["error"].startswith("a checkpoint that was seen before proves nothing about this ledger")


def test_the_house_audits_itself_while_it_runs(server: Server, held: Path) -> None:
    told: Any = server.run("ledger", "verify", "--receipt", str(held))

    assert (told["ok"], told["findings"]) == (True, [])
    shown = server.run("ledger", "checkpoint")
    assert shown["fence"] == "open"
    assert shown["size"] >= told["size"]


def test_an_operators_acts_are_lines_of_the_log(server: Server, key: str) -> None:
    """And it is published by itself, without anybody asking."""
    before = receipt.checkpoint_of(httpx2.get(f"{server.issuer}/ledger/checkpoint").text).size
    server.tell("agency suspend", id="health-insurer")
    server.tell("agency resume", id="health-insurer")
    deadline = time.monotonic() + 10
    while (now := receipt.checkpoint_of(httpx2.get(f"{server.issuer}/ledger/checkpoint").text).size) < before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert now == before + 2
