"""The command line: one JSON document with --json, errors included; exit status 0, 1 refused, 2 usage."""

from __future__ import annotations

import json
import shutil
import socket
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from sqlalchemy import select, text
from typer.testing import CliRunner

from base.assurance import LOW
from base.database.tables import AUDIT
from base.settings import Settings
from idp import sessions
from idp.authenticators.levels import PASSWORD
from idp.sessions import Place
from regie import cli
from regie.house import House
from regie.notes import notes
from tests.fixtures.house import KEK
from tests.fixtures.server import FILES, Server

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
    assert line.json("agency", "list") == []
    assert line.json("client", "list") == []
    assert line.json("purpose", "list") == []
    assert {key["state"] for key in line.json("keys", "list")} == {"active", "announced"}
    assert all(one["ok"] for one in line.json("doctor"))
    assert line.json("migrate") == {"idp": "up to date", "consent": "up to date"}


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_the_doctor_sees_a_running_server_too(server: Server) -> None:
    findings = server.run("doctor")

    assert [one["check"] for one in findings if not one["ok"]] == []
    assert {"keys", "idp database", "consent outbox"} <= {one["check"] for one in findings}


def test_a_command_waits_for_whoever_has_the_files_open_for_a_moment(line: Line) -> None:
    """A server that is just starting, or another command."""
    line.json("agency", "list")  # everything is loaded from here on
    house = House.open(Settings())
    with ThreadPoolExecutor(1) as pool:
        command = pool.submit(line, "agency", "list")
        try:
            with pytest.raises(TimeoutError):
                command.result(timeout=1)
        finally:
            house.close()

        assert command.result(timeout=30).exit_code == 0


def test_data_of_another_version_is_refused_in_a_sentence(line: Line) -> None:
    line.json("agency", "list")
    with closing(House.open(Settings())) as house:
        house.databases["idp"].write_now(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '0001'")))

    for command in (("agency", "list"), ("doctor",), ("migrate",)):
        assert "does not know" in line.json(*command, expect=1)["error"]
    # The files are free again: the sentence is no "database in use".
    assert "does not know" in line("agency", "list").stderr


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
    for unknown in ("health-insurence", "housing-benefit"):
        refused = line.json("client", "add", "--profile", "baseline", file={**metadata, "purpose": unknown}, expect=1)
        assert refused["error"].startswith(f"health-insurer has no purpose {unknown}; add it first")

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


def test_a_key_to_encrypt_to_rotates_at_once(line: Line) -> None:
    before = {key["kid"] for key in line.json("keys", "list") if (key["use"], key["alg"]) == ("enc", "ECDH-ES")}

    rotated = line.json("keys", "rotate", "--alg", "ECDH-ES")

    after = {key["kid"]: key["state"] for key in line.json("keys", "list") if key["alg"] == "ECDH-ES"}
    assert set(rotated) == {"alg", "active"}
    assert after == {**dict.fromkeys(before, "retiring"), rotated["active"]: "active"}


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
    (("client", "add"), "[]"),
    (("client", "add"), '{"agency": "a", "agency": "b"}'),
    (("client", "add"), {"agency": "regie", "jwks_uri": "http://localhost:1/"}),
    (("client", "add"), {"agency": "regie", "software_statement": "a.b.c"}),
    (("client", "invite", "--agency", "nobody"), None),
    (("client", "rotate-registration", "nobody"), None),
    (("client", "trust"), {"iss": "https://vendor.example"}),
    (("client", "trust"), {"iss": "https://vendor.example", "jwks": {"keys": []}}),
    (("client", "trust"), {"iss": "", "jwks": {"keys": []}}),
    (("client", "trust"), "no json"),
    (("citizen", "add"), {**PERSON, "national_number": "999900007"}),
    (("citizen", "add"), {**PERSON, "shoe_size": 44}),
    (("citizen", "add"), {**PERSON, "username": "anna"}),
    (("citizen", "import", "/nowhere"), None),
    (("citizen", "find", "999900018"), None),
    (("citizen", "suspend", "nobody"), None),
    (("citizen", "erase", "nobody"), None),
    (("keys", "rotate", "--alg", "HS256"), None),
    (("keys", "revoke", "nothing"), None),
    (("consent", "show", "nothing"), None),
    (("consent", "withdraw", "nothing"), None),
    (("receipt", "verify", "/nowhere", "--key", "x"), None),
    (("ledger", "reconcile"), None),
    (("ledger", "verify", "--url", "http://127.0.0.1:9/ledger", "--key", "x"), None),
    (("ledger", "verify", "--url", "http://127.0.0.1:9/ledger"), None),
    (("ledger", "verify", "--receipt", "/nowhere"), None),
    (("session", "list", "nobody"), None),
    (("session", "end", "--citizen", "nobody"), None),
    (("processing-log", "export", "--citizen", "nobody"), None),
    (("permit", "unreported", "--agency", "nobody"), None),
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
    for name, value in (("PORT", "many"), ("DEVELOPMENT", "ja"), ("TRUSTED_PROXIES", "my-proxy")):
        with monkeypatch.context() as changed:
            changed.setenv(f"REGIE_{name}", value)
            said = line.json("client", "list", expect=1)["error"]
        assert said.startswith(f"REGIE_{name} is not valid: it takes ")
        assert value not in said


@pytest.mark.parametrize("name", ["DATA_DIR", "KEK", "TLS_KEY", "LEDGER_DIR", "LEDGER_POLICY", "OUTBOUND_CA"])
def test_a_blank_setting_is_nobodys_choice(line: Line, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A blank directory was the one that the operator stood in, and a blank key made another one."""
    monkeypatch.setenv(f"REGIE_{name}", " ")

    assert f"REGIE_{name} is not valid" in line.json("keys", "list", expect=1)["error"]


def test_a_data_directory_that_others_may_enter_is_refused(line: Line) -> None:
    data = Settings().data_dir
    data.chmod(0o755)

    assert line.json("keys", "list", expect=1) == {
        "error": f"{data} can be entered by others than its owner; run: chmod 700 {data}"
    }
    data.chmod(0o700)
    assert line("keys", "list").exit_code == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://u:geheim@localhost:1/x", "the database did not do this: connection failed"),
        ("postgresql+psycopg://u:ge@heim@localhost:x/x", "REGIE_DATABASE_URL is not an address"),
    ],
)
def test_a_database_that_is_away_is_told_in_a_sentence(
    line: Line, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("REGIE_DATABASE_URL", url)

    for command in ("doctor", "migrate"):
        error = line.json(command, expect=1)["error"]
        assert error.startswith(said)
        assert "heim" not in error
    assert said in line("serve").stderr


def test_a_port_that_is_taken_is_told_before_anything_is_said_to_listen(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("REGIE_PORT", str(taken.getsockname()[1]))
        done = line("serve")

    assert done.exit_code == 1
    assert "Nothing can listen at REGIE_HOST 127.0.0.1, REGIE_PORT" in done.stderr
    assert done.stdout == ""
    # Nothing is left open behind it.
    assert line("keys", "list").exit_code == 0


def test_a_command_that_a_server_took_and_did_not_answer_is_not_given_twice(line: Line) -> None:
    """It may have been done: a second key, a second client."""
    line.json("agency", "list")
    heard = []
    with closing(House.open(Settings())), socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor(1) as pool:
        server.bind(str(Settings().data_dir / "admin.sock"))
        server.listen()

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(10_000))

        listening = pool.submit(listen)
        said = line.json("keys", "rotate", expect=1)["error"]
        listening.result(10)

    assert said == "the server ended before it answered: see whether this was done before you give it again"
    assert len(heard) == 1


def test_a_mistyped_setting_is_named_with_what_it_may_mean(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIE_ISUER", "https://regie.example.nl")

    settings = line.json("doctor", expect=1)[0]

    assert settings["ok"] is False
    assert settings["detail"] == "REGIE_ISUER is not a setting; do you mean REGIE_ISSUER?"
    assert "NOT OK  settings: REGIE_ISUER" in line("doctor").stdout
    assert notes(Settings(development=True, data_dir="/nowhere"), {"REGIE_ISUER": "x"})[0] == settings["detail"]


def test_the_first_start_says_what_must_be_kept(tmp_path: Path) -> None:
    first = Settings(development=True, data_dir=tmp_path)
    assert [f"{tmp_path}/kek" in sentence for sentence in notes(first, {})] == [True]

    assert notes(Settings(issuer="http://regie.example.nl", data_dir=tmp_path), {}) == []
    (tmp_path / "kek").write_text("x")
    assert notes(first, {}) == []


def test_a_command_that_makes_the_house_says_what_must_be_kept(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGIE_KEK")
    monkeypatch.setenv("REGIE_DATA_DIR", str(tmp_path / "new"))

    assert "This first start makes keys" in line("agency", "list").stderr
    assert line("agency", "list").stderr == ""


def test_another_key_encryption_key_is_refused_in_a_sentence(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIE_KEK", urlsafe_b64encode(bytes(32)).decode())

    assert "REGIE_KEK" in line.json("keys", "list", expect=1)["error"]


def test_a_database_is_opened_with_the_keys_that_it_was_made_with_alone(line: Line, tmp_path: Path) -> None:
    """With others nobody would be found in it, and whoever is added would be there twice."""
    keys, aside = Settings().data_dir / "keys", tmp_path / "aside"
    citizen = line.json("citizen", "add", file=PERSON)["id"]
    keys.rename(aside)

    for command in (("citizen", "find", PERSON["national_number"]), ("doctor",), ("migrate",)):
        assert "was made with other keys than those in" in line.json(*command, expect=1)["error"]
    shutil.rmtree(keys)
    aside.rename(keys)

    assert line.json("citizen", "find", PERSON["national_number"])["id"] == citizen


def test_what_a_command_did_without_a_server_is_in_the_journal(line: Line, tmp_path: Path) -> None:
    """A backup that is put back before the next start lacks it, and says so."""
    one = json.loads((FILES / "agencies.json").read_text())[0]
    line.json("agency", "add", file=one)
    backup = tmp_path / "consent.db"
    shutil.copy(Settings().data_dir / "consent.db", backup)
    line.json("agency", "suspend", one["id"])
    assert [one["detail"] for one in line.json("doctor") if not one["ok"]] == []
    shutil.copy(backup, Settings().data_dir / "consent.db")

    wrong = {one["check"] for one in line.json("doctor", expect=1) if not one["ok"]}
    assert wrong == {"ledger"}
    line.json("ledger", "reconcile")
    assert {one["check"] for one in line.json("doctor") if not one["ok"]} == set()


def test_a_key_encryption_key_that_is_gone_is_not_made_anew(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGIE_KEK")
    kek = Settings().data_dir / "kek"

    done = line("keys", "list")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"regie: {kek} is gone: put your copy of it back, or set REGIE_KEK")
    assert not kek.exists()


def test_a_citizen_is_found_by_number_and_the_look_up_is_recorded(line: Line) -> None:
    citizen = line.json("citizen", "add", file=PERSON)["id"]

    assert line.json("citizen", "find", PERSON["national_number"]) == {"id": citizen, "state": "active"}
    assert line.json("citizen", "find", file=f"{PERSON['national_number']}\n")["id"] == citizen
    assert "import" in line.json("citizen", "find", "999900018", expect=1)["error"]
    assert "nine digits" in line.json("citizen", "find", "999900007", expect=1)["error"]
    house = House.open(Settings())
    events = house.databases["idp"].read_now(lambda c: c.execute(select(AUDIT.c.event, AUDIT.c.object)).all())
    house.close()
    assert [tuple(one) for one in events].count(("citizen.looked_up", citizen)) == 2


def test_the_supervisors_report_is_of_a_month_and_of_no_other_period(line: Line) -> None:
    assert line.json("supervisor", "report")["total"]["allowed"] == "<10"

    assert "a month is such as" in line.json("supervisor", "report", "--month", "2026-10-09", expect=1)["error"]


def test_the_processing_log_is_lines_of_json_and_says_where_it_ended(line: Line) -> None:
    done = line("processing-log", "export")

    assert (done.stdout, done.stderr) == ("", "--from 0.0.0.0.0\n")
    assert "export ended at" in line.json("processing-log", "export", "--from", "yesterday", expect=1)["error"]


def test_an_officer_is_invited_and_ended(line: Line) -> None:
    invited = line.json("officer", "invite", "j.jansen", "--role", "supervisor")
    assert (invited["at"], invited["expires_in"]) == ("http://localhost:8000/supervisor/enrol", 86_400)

    assert [one["state"] for one in line.json("officer", "list")] == ["invited"]
    assert line.json("officer", "end", "j.jansen")["state"] == "ended"
    assert "no officer" in line.json("officer", "end", "j.jansen", expect=1)["error"]


def test_a_file_of_nothing_but_bad_lines_is_refused_and_each_line_told(line: Line, tmp_path: Path) -> None:
    (tmp_path / "wrong.jsonl").write_text('{"id": "x"}\n{"id": "y"}\n')

    done = line("citizen", "import", str(tmp_path / "wrong.jsonl"))

    assert done.exit_code == 1
    assert "\n  line 1, reason the line is not JSON with the members of a person\n  line 2, " in done.stdout


def test_people_are_generated_with_test_numbers(line: Line, tmp_path: Path) -> None:
    lines = tmp_path / "people.jsonl"
    line.json("citizen", "generate", "20", str(lines))
    assert len([json.loads(one) for one in lines.read_text().splitlines()]) == 20
    assert line.json("citizen", "import", str(lines))["added"] == 20
    out = tmp_path / "people.csv"

    assert line.json("citizen", "generate", "20", str(out))["people"] == 20
    assert line.json("citizen", "import", str(out))["unchanged"] == 20
    assert line("citizen", "generate", "0", str(out)).exit_code == 2


def test_an_operator_sees_and_ends_sessions(line: Line) -> None:
    """S-06."""
    citizen = line.json("citizen", "add", file=PERSON)["id"]
    with closing(House.open(Settings())) as house:
        place = Place("Firefox, Linux", "browser")

        def log_in() -> str | None:
            now = house.clock.now()
            return house.databases["idp"].write_now(
                lambda c: sessions.start(c, house.ring, citizen, way=PASSWORD, place=place, now=now)
            )

        assert all(log_in() for _ in range(3))

    found = line.json("session", "list", citizen)
    assert [(one["device"], one["acr"], one["clients"]) for one in found] == [("Firefox, Linux", LOW, [])] * 3
    assert line.json("session", "end", found[0]["id"]) == {"id": found[0]["id"], "ended": 1}
    assert "error" in line.json("session", "end", found[0]["id"], expect=1)
    assert line.json("session", "end", "--citizen", citizen) == {"citizen": citizen, "ended": 2}
    assert line.json("session", "list", citizen) == []
    assert "error" in line.json("session", "end", expect=1)
    assert "error" in line.json("session", "end", "x", "--citizen", citizen, expect=1)


def test_an_enrolment_code_says_how_the_identity_was_seen(line: Line) -> None:
    citizen = line.json("citizen", "add", file=PERSON)["id"]

    assert "enrolment_code" in line.json("citizen", "enrol", citizen, "--proofing", "high")
    assert "proofing" in line.json("citizen", "enrol", citizen, "--proofing", "utter", expect=1)["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["client", "show"],
        ["client", "shw", "x"],
        ["client", "add", "x", "--nonsense"],
        ["client", "invite", "--uses", "x"],
    ],
)
def test_wrong_usage_is_a_document_too(
    line: Line, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["regie", *arguments, "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 2
    told = capsys.readouterr()
    assert list(json.loads(told.out)) == ["error"]
    assert told.err == ""


def test_the_entry_point_does_what_the_commands_do(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, status in ((["client", "list"], 0), (["client", "show", "nobody"], 1)):
        monkeypatch.setattr("sys.argv", ["regie", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert (ended.value.code or 0) == status
        json.loads(capsys.readouterr().out)
