"""A house and a witness, each started with its own command: what the citizen downloads is cosigned a moment later."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.fixtures.server import copied

if TYPE_CHECKING:
    from tests.fixtures.server import Server

WITNESS = [sys.executable, "-m", "agency.witness", "--name", "witness.example/w1", "--listen", "127.0.0.1:0"]


@pytest.fixture(params=["sqlite"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = copied(request.getfixturevalue("filled_server")(request), request, tmp_path_factory)
    yield made
    made.stop()


def test_a_house_with_a_witness(house: Server, tmp_path: Path) -> None:
    house.start()
    (tmp_path / "log").write_text(httpx2.get(f"{house.issuer}/ledger/key").text)
    house.stop()
    command = [*WITNESS, "--state", str(tmp_path / "state"), "--log", str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as witness:
        assert witness.stdout is not None
        vkey, _, url = witness.stdout.readline().strip().partition(" on ")
        (tmp_path / "policy").write_text(f"witness one {vkey} {url}\nquorum one\n")
        house.environment["REGIE_LEDGER_POLICY"] = str(tmp_path / "policy")
        house.start()
        deadline = time.monotonic() + 20
        while (answer := httpx2.get(f"{house.issuer}/ledger/cosigned")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        told = house.run("ledger", "checkpoint")
        finding = next(one for one in house.run("doctor") if one["check"] == "witnesses")
        witness.terminate()

    assert "— witness.example/w1 " in answer.text
    assert (told["cosigned_size"], told["witnesses"][0]["said"]) == (told["size"], "cosigned")
    assert finding == {"check": "witnesses", "ok": True, "detail": "one: cosigned"}
    assert told["checkpoint"] == answer.text
