"""The import contracts hold something: each is broken once, in a copy, and is named when it breaks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent.parent
ROOMS = ("agency", "base", "consent", "idp", "keys", "regie", "migrations")
BREACHES = {
    "floors: imports point down only": ("base/clock.py", "import consent.errors"),
    "the door: idp knows the registry only by consent.interface": ("idp/scopes.py", "import consent.records"),
    "edges never touch a table: endpoints, pages and api import no store": (
        "idp/endpoints/answers.py",
        "import idp.store.grants",
    ),
    "SQL lives in store/ and base.database alone": ("consent/errors.py", "import sqlalchemy"),
    "JOSE is done in keys.jose and keys.jwe alone": ("idp/scopes.py", "import joserfc"),
    "python-jose verifies in tests and never runs in the product": ("regie/receipts.py", "import jose"),
    "connections to the outside are opened in base.fetch alone": ("idp/scopes.py", "import httpx2"),
    "agencies speak the wire only": ("agency/errors.py", "import base.clock"),
    "keys knows no database and no web": ("keys/errors.py", "import sqlalchemy"),
}


def test_every_contract_has_its_breach() -> None:
    names = re.findall(r'^name = "(.+)"$', (HERE / "pyproject.toml").read_text(), re.MULTILINE)

    assert set(BREACHES) == {name for name in names if name != "regie"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(HERE / room, directory / room, ignore=shutil.ignore_patterns("__pycache__", "*.csv", "locales"))
    shutil.copy(HERE / "pyproject.toml", directory)
    return directory


@pytest.mark.parametrize("contract", list(BREACHES))
def test_a_breach_is_found_and_named(copy: Path, contract: str) -> None:
    place, line = BREACHES[contract]
    path = copy / place
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        path.write_text(before)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout
