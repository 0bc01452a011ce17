"""The command line: one JSON document with --json, errors included; exit status 0, 1 refused, 2 usage."""

from __future__ import annotations

import json
import shutil
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from regie import cli
from tests.fixtures.house import KEK
from tests.fixtures.server import FILES

if TYPE_CHECKING:
    from pathlib import Path

PERSON = {"national_number": "999900006", "given_names": "Anna", "family_name": "Voorbeeld", "birth_date": "1954-03-02"}


class Line:
    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *arguments: str, file: Any = None) -> Result:
        given = json.dumps(file) if isinstance(file, dict) else file
        return self._runner.invoke(cli.app, list(arguments), input=given)

    def json(self, *arguments: str, file: Any = None, expect: int = 0) -> Any:
        done = self(*arguments, *(["-"] if file is not None else []), "--json", file=file)
        assert done.exit_code == expect, done.output
        assert done.stdout.count("\n") == 1
        assert "Traceback" not in done.output
        return json.loads(done.stdout)


@pytest.fixture
def line(tmp_path: Path, ring_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """On an empty house."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    shutil.copytree(ring_directory, data / "keys")
    monkeypatch.setenv("REGIE_DEVELOPMENT", "true")
    monkeypatch.setenv("REGIE_PORT", "8000")
    monkeypatch.setenv("REGIE_DATA_DIR", str(data))
    monkeypatch.setenv("REGIE_KEK", urlsafe_b64encode(KEK).decode())
    return Line()


def commands(app: Any = None, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    app = app or cli.app
    found = [(*prefix, one.name or (one.callback.__name__ if one.callback else "")) for one in app.registered_commands]
    for group in app.registered_groups:
        found += commands(group.typer_instance, (*prefix, group.name))
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself(line: Line, command: tuple[str, ...]) -> None:
    done = line(*command, "--help")

    assert done.exit_code == 0
    text = done.stdout.split("Options")[0]
    assert len(text.split("\n", 3)[-1].strip()) > 10


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_an_unknown_option_is_usage(line: Line, command: tuple[str, ...]) -> None:
    done = line(*command, "--nonsense")

    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_the_lists_of_an_empty_house_are_documents(line: Line) -> None:
    assert line.json("agency", "list") == [] or len(line.json("agency", "list")) == 1
    assert line.json("client", "list") == []
    assert line.json("purpose", "list") == []
    assert {key["state"] for key in line.json("keys", "list")} == {"active", "announced"}
    assert all(one["ok"] for one in line.json("doctor"))
    assert line.json("migrate") == {"idp": "up to date", "consent": "up to date"}


def test_an_agency_its_purpose_its_client_and_their_end(line: Line) -> None:
    for one in json.loads((FILES / "agencies.json").read_text()):
        line.json("agency", "add", file=one)
    for one in json.loads((FILES / "purposes.json").read_text()):
        line.json("purpose", "add", file=one)
        line.json("purpose", "publish", one["id"])
    metadata = {
        "client_name": "x",
        "agency": "health-insurer",
        "purpose": "health-insurance",
        "redirect_uris": ["http://localhost:9/cb"],
        "scope": "openid birthdate",
    }
    client = line.json("client", "add", "--profile", "baseline", file=metadata)

    shown = line.json("client", "show", client["client_id"])
    assert shown["client_id"] == client["client_id"]
    assert "client_secret" not in shown
    rotated = line.json("client", "rotate-secret", client["client_id"])
    assert rotated["client_secret"] != client["client_secret"]
    assert line.json("client", "disable", client["client_id"])["client_id"] == client["client_id"]
    assert line.json("agency", "suspend", "health-insurer")
    assert line.json("agency", "resume", "health-insurer")
    assert line.json("purpose", "retire", "health-insurance")


def test_a_citizen_from_number_to_oblivion(line: Line) -> None:
    login = {"username": "anna", "password": "een lang wachtwoord"}
    citizen = line.json("citizen", "add", file={**PERSON, **login})

    code = line.json("citizen", "enrol", citizen["id"])["enrolment_code"]
    assert len(code) == 43
    assert line.json("citizen", "suspend", citizen["id"])["state"] == "suspended"
    assert "error" in line.json("citizen", "enrol", citizen["id"], expect=1)
    assert line.json("citizen", "resume", citizen["id"])["state"] == "active"
    assert line.json("citizen", "erase", citizen["id"])["state"] == "erased"
    assert "error" in line.json("citizen", "resume", citizen["id"], expect=1)


def test_keys_rotate_and_revoke(line: Line) -> None:
    before = {key["kid"]: key["state"] for key in line.json("keys", "list")}
    rotated = line.json("keys", "rotate")
    assert before[rotated["active"]] == "announced"
    assert line.json("keys", "revoke", rotated["active"])["state"] == "withdrawn"
    assert "error" in line.json("keys", "revoke", rotated["active"], expect=1)


REFUSED: list[tuple[tuple[str, ...], Any]] = [
    (("agency", "add"), "no json"),
    (("agency", "add"), {"id": "x"}),
    (("agency", "suspend", "nobody"), None),
    (("purpose", "add"), {"id": "x", "agency": "nobody"}),
    (("purpose", "publish", "nothing"), None),
    (("purpose", "retire", "nothing"), None),
    (("client", "add"), {"client_name": "x"}),
    (("client", "add", "--profile", "none"), {"client_name": "x"}),
    (("client", "show", "nobody"), None),
    (("client", "disable", "nobody"), None),
    (("client", "rotate-secret", "nobody"), None),
    (("citizen", "add"), {**PERSON, "national_number": "999900007"}),
    (("citizen", "add"), {**PERSON, "shoe_size": 44}),
    (("citizen", "add"), {**PERSON, "username": "anna"}),
    (("citizen", "import", "/nowhere"), None),
    (("citizen", "suspend", "nobody"), None),
    (("citizen", "erase", "nobody"), None),
    (("keys", "rotate", "--alg", "HS256"), None),
    (("keys", "revoke", "nothing"), None),
    (("consent", "show", "nothing"), None),
    (("consent", "withdraw", "nothing"), None),
    (("receipt", "verify", "/nowhere", "--key", "x"), None),
    (("ledger", "reconcile"), None),
    (("ledger", "verify", "--url", "http://127.0.0.1:9/ledger", "--key", "x"), None),
    (("ledger", "verify", "--receipt", "/nowhere"), None),
    (("receipt", "verify", "--key", "x"), "no json"),
]


@pytest.mark.parametrize(
    ("arguments", "file"), REFUSED, ids=[" ".join(one[0]) + f" {n}" for n, one in enumerate(REFUSED)]
)
def test_what_is_refused_is_one_sentence_and_status_1(line: Line, arguments: tuple[str, ...], file: Any) -> None:
    said = line.json(*arguments, file=file, expect=1)

    assert list(said) == ["error"]
    assert 5 < len(said["error"]) < 400
    plain = line(*arguments, *(["-"] if file is not None else []), file=file)
    assert plain.exit_code == 1
    assert plain.stderr.startswith("regie: ")
    assert plain.stdout == ""


def test_unsafe_settings_are_refused_in_a_sentence(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIE_DEVELOPMENT", "false")
    assert "REGIE_ISSUER" in line.json("client", "list", expect=1)["error"]
    monkeypatch.setenv("REGIE_PORT", "many")
    assert "REGIE_PORT" in line.json("client", "list", expect=1)["error"]


def test_another_key_encryption_key_is_refused_in_a_sentence(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIE_KEK", urlsafe_b64encode(bytes(32)).decode())

    assert "REGIE_KEK" in line.json("keys", "list", expect=1)["error"]


def test_people_are_generated_with_test_numbers(line: Line, tmp_path: Path) -> None:
    out = tmp_path / "people.csv"

    assert line.json("citizen", "generate", "20", str(out))["people"] == 20
    assert line.json("citizen", "import", str(out))["added"] == 20
    assert line("citizen", "generate", "0", str(out)).exit_code == 2
