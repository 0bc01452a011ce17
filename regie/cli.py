"""The command line. `--json` prints one JSON document, errors included; exit status 0, 1 refused, 2 usage."""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from regie.terminal import guard, keys_of, perform, read, run, settings_of_environment, settings_of_house, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Regie: one electronic identity for every citizen, and a register of every use of their data.",
    epilog="To look around: regie demo. For a server of your own: docs/operations.md. Commands that change something "
    "work on the files or, when a server has them open, through it.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A JSON file, or - for standard input.")]


def main() -> None:
    """The entry point. What we refuse ends in one sentence and exit status 1."""
    if "--json" not in sys.argv[1:]:
        app(prog_name="regie")
    try:
        sys.exit(app(prog_name="regie", standalone_mode=False) or 0)
    except TyperException as error:
        # Wrong usage is told to people on standard error; to programs as every other error.
        print(json.dumps({"error": getattr(error, "format_message", error.__str__)()}))
        sys.exit(getattr(error, "exit_code", 2))


@app.command()
def serve() -> None:
    """Serve both services until Ctrl-C. Settings come from the environment (REGIE_…): docs/settings.md."""
    from regie import serve as serving  # noqa: PLC0415 - a command loads what it needs
    from regie.notes import notes  # noqa: PLC0415

    settings = guard(settings_of_environment, as_json=False)
    for sentence in notes(settings, os.environ):
        print(f"regie: {sentence}", file=sys.stderr)
    guard(lambda: serving.run(settings), as_json=False)


@app.command()
def demo(
    smoke: Annotated[bool, typer.Option("--smoke", help="Walk the tour by itself and say what it saw.")] = False,
    codes: Annotated[bool, typer.Option("--codes", help="Print the codes that the demo's citizens type now.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data is kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start everything with three demo agencies and fictional citizens, and print a tour."""
    from regie.demo import main as run  # noqa: PLC0415 - see serve

    raise typer.Exit(run(smoke=smoke, codes=codes, data_dir=data_dir, as_json=as_json))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Make the tables, or bring them up to date."""
    show(guard(_migrate, as_json=as_json), as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check settings, keys, databases and the outbox, also of a running server. Exit status 1 if anything is not ok."""
    findings = guard(lambda: perform("doctor", {}, as_json=as_json, long=False), as_json=as_json)
    if as_json:
        show(findings, as_json=True)
    else:
        for one in findings:
            print(f"{'ok    ' if one['ok'] else 'NOT OK'}  {one['check']}: {one['detail']}")
    if any(not one["ok"] for one in findings):
        raise typer.Exit(1)


def _group(name: str, help_text: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, help=help_text)
    app.add_typer(group, name=name)
    return group


agency = _group("agency", "Agencies, and the data they are the source of.")
client = _group("client", "Agencies' software.")
purpose = _group("purpose", "What agencies use data for.")
citizen = _group("citizen", "Citizens, from the population register.")
session = _group("session", "Where citizens are logged in.")
keys = _group("keys", "Keys for signing and for encryption.")
consent = _group("consent", "Single consents, for the help desk.")
permit = _group("permit", "What was allowed, use by use.")
event_stream = _group("event-stream", "What agencies hear of consents, and how their receivers do.")
processing_log = _group("processing-log", "What was done with whose data, as the Dutch standard LDV records it.")
ledger = _group("ledger", "The ledger: what proves that nothing was changed.")
receipt = _group("receipt", "Receipts.")
officer = _group("officer", "Officers, who are no citizens: who may see the supervisor's pages.")
supervisor = _group("supervisor", "What the supervisor sees: figures, and no citizen.")


def _plain(group: typer.Typer, name: str, command: str, doc: str, argument: str | None = None) -> None:
    """A command that takes nothing, or one name."""
    if argument is None:

        def without(as_json: AsJson = False) -> None:
            run(command, {}, as_json=as_json)

        group.command(name, help=doc)(without)
        return

    def with_one(value: Annotated[str, typer.Argument(metavar=argument.upper())], as_json: AsJson = False) -> None:
        run(command, {argument: value}, as_json=as_json)

    group.command(name, help=doc)(with_one)


By = Annotated[
    str,
    typer.Option("--by", metavar="NAME", help="Who does it, for the ledger; outside development needed for purposes."),
]


def _by(group: typer.Typer, name: str, command: str, doc: str, *, file: bool = False) -> None:
    """A command on the catalogue, which keeps who did it: of a file, or of one thing by its id."""

    def with_file(path: File, by: By = "", as_json: AsJson = False) -> None:
        run(command, {"file": guard(lambda: read(path), as_json=as_json), "by": by}, as_json=as_json)

    def with_id(value: Annotated[str, typer.Argument(metavar="ID")], by: By = "", as_json: AsJson = False) -> None:
        run(command, {"id": value, "by": by}, as_json=as_json)

    group.command(name, help=doc)(with_file if file else with_id)


def _from_file(group: typer.Typer, name: str, command: str, doc: str) -> None:
    def with_file(file: File, as_json: AsJson = False) -> None:
        run(command, {"file": guard(lambda: read(file), as_json=as_json)}, as_json=as_json)

    group.command(name, help=doc)(with_file)


_by(agency, "add", "agency add", "Add or change an agency (docs/agencies.md).", file=True)
_plain(agency, "list", "agency list", "All agencies.")
_by(agency, "suspend", "agency suspend", "Nothing is allowed to this agency from now on.")
_by(agency, "resume", "agency resume", "End a suspension.")
_by(purpose, "add", "purpose add", "Add a draft of a purpose (docs/agencies.md).", file=True)
_by(purpose, "submit", "purpose submit", "Submit the newest draft: another person reviews it.")
_by(
    purpose,
    "publish",
    "purpose publish",
    "Publish what was submitted, as another person than who wrote or submitted it. In development, without --by: the "
    "newest draft, without review.",
)
_by(purpose, "reject", "purpose reject", "Do not publish what was submitted.")
_by(purpose, "retire", "purpose retire", "End a purpose: nothing more is allowed under it.")
_plain(purpose, "list", "purpose list", "All versions of all purposes: their states, and who did what.")
_plain(purpose, "show", "purpose show", "One purpose, all its versions, in full.", "id")
_plain(client, "list", "client list", "All clients.")
_plain(client, "show", "client show", "One client.", "client_id")
_plain(client, "disable", "client disable", "A client logs nobody in any more.", "client_id")
_plain(client, "rotate-secret", "client rotate-secret", "A new secret; the old one stops at once.", "client_id")
_plain(
    client,
    "rotate-registration",
    "client rotate-registration",
    "A new registration access token, for software that lost its own (RFC 7592).",
    "client_id",
)
_from_file(client, "trust", "client trust", "Believe who vouches for software: a file with iss and jwks (RFC 7591).")
_from_file(citizen, "add", "citizen add", "Add one citizen; in development also a user name and password.")
_plain(citizen, "suspend", "citizen suspend", "A citizen can no longer log in.", "id")
_plain(citizen, "resume", "citizen resume", "End a suspension.", "id")
_plain(citizen, "erase", "citizen erase", "Forget a citizen: destroy the key to the personal data.", "id")
_plain(session, "list", "session list", "The open sessions of a citizen.", "citizen")
_plain(keys, "list", "keys list", "All signing keys, and which one signs.")
_plain(keys, "revoke", "keys revoke", "A key was stolen: it verifies nothing any more, at once.", "kid")
_plain(consent, "show", "consent show", "What happened to a consent.", "id")
_plain(
    ledger, "rotate-keys", "ledger rotate-keys", "New keys for the ledger; give them to the witnesses (docs/ledger.md)."
)
_plain(ledger, "checkpoint", "ledger checkpoint", "What left the house last, who cosigned it, and what waits.")
_plain(event_stream, "list", "event-stream list", "All event streams: how many events wait, and why if one fails.")
_plain(
    event_stream, "resume", "event-stream resume", "Push again to a receiver that was given up; nothing was lost.", "id"
)
_plain(event_stream, "show", "event-stream show", "The newest events of a stream: waiting, taken or refused.", "id")
_plain(event_stream, "replay", "event-stream replay", "Send again all that a stream keeps, 30 days of it.", "id")
_plain(consent, "withdraw", "consent withdraw", "Withdraw for a citizen who asked.", "id")
_plain(officer, "list", "officer list", "All officers, those who ended too.")
_plain(officer, "end", "officer end", "An officer is one no more: invitation, passkey and session end at once.", "name")


@client.command("add")
def client_add(
    file: File,
    profile: Annotated[str, typer.Option(help="fapi2, nlgov, baseline; certification (development).")] = "fapi2",
    as_json: AsJson = False,
) -> None:
    """Register software of an agency (RFC 7591 metadata); prints what it needs, a secret this once."""
    run("client add", {"file": guard(lambda: read(file), as_json=as_json), "profile": profile}, as_json=as_json)


@client.command("invite")
def client_invite(
    agency: Annotated[str, typer.Option(help="Whose software it is.")],
    profile: Annotated[str, typer.Option(help="As for client add.")] = "fapi2",
    uses: Annotated[int, typer.Option(help="How many clients may be registered with it.")] = 1,
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 7,
    as_json: AsJson = False,
) -> None:
    """An initial access token, with which an agency's software registers itself (RFC 7591); shown this once."""
    params = {"agency": agency, "profile": profile, "uses": uses, "days": days}
    run("client invite", params, as_json=as_json)


@keys.command("rotate")
def keys_rotate(
    alg: Annotated[str, typer.Option(help="One of those that keys list shows.")] = "ES256", as_json: AsJson = False
) -> None:
    """The announced key signs from now on, and a new one is announced; a new encryption key serves at once."""
    run("keys rotate", {"alg": alg}, as_json=as_json)


@citizen.command("import")
def citizen_import(file: Path, as_json: AsJson = False) -> None:
    """Take in a register extract, CSV or JSON lines. Interrupted, it goes on where it was; bad lines are reported."""
    params = {"path": str(file.absolute())}
    report = guard(lambda: perform("citizen import", params, as_json=as_json, long=True), as_json=as_json)
    show(report, as_json=as_json)
    # Some bad lines are a register's daily bread; a file of nothing else is the wrong file.
    if report["refused"] and report["refused"] == report["lines"]:
        raise typer.Exit(1)


@citizen.command("find")
def citizen_find(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The national number, or - for standard input.")],
    as_json: AsJson = False,
) -> None:
    """The ID of the citizen with a national number, for the other commands; the look-up is recorded."""
    given = sys.stdin.readline() if number == "-" else number
    run("citizen find", {"number": given}, as_json=as_json)


@citizen.command("generate")
def citizen_generate(
    count: Annotated[int, typer.Argument(min=1, max=10_000_000)],
    file: Path,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = 2026,
    as_json: AsJson = False,
) -> None:
    """Write fictional people, in households, with test numbers: JSON lines when FILE ends in .jsonl, else CSV."""
    from idp.citizens import generator  # noqa: PLC0415 - see serve

    write = generator.write_json_lines if file.suffix == ".jsonl" else generator.write_csv
    with file.open("w", newline="") as out:
        write(generator.people(count, seed=seed), out)
    show({"file": str(file), "people": count, "seed": seed}, as_json=as_json)


@citizen.command("enrol")
def citizen_enrol(
    id: Annotated[str, typer.Argument(metavar="ID")],
    proofing: Annotated[
        str,
        typer.Option(help="How the identity was seen: low, substantial (letter, desk), high (document, in person)."),
    ] = "substantial",
    as_json: AsJson = False,
) -> None:
    """A one-time code for a citizen's first login, or a new one."""
    run("citizen enrol", {"id": id, "proofing": proofing}, as_json=as_json)


@permit.command("unreported")
def permit_unreported(
    agency: Annotated[str, typer.Option(help="Those of one agency.")] = "", as_json: AsJson = False
) -> None:
    """Permits that were taken and never reported, past REGIE_REPORT_DAYS: the oldest 500."""
    run("permit unreported", {"agency": agency}, as_json=as_json)


@processing_log.command("export")
def processing_log_export(
    citizen: Annotated[str, typer.Option(help="Of one citizen, by ID.")] = "",
    place: Annotated[str, typer.Option("--from", metavar="PLACE", help="Go on where an export ended.")] = "",
    as_json: AsJson = False,
) -> None:
    """Every record as a line of JSON; at the end, on standard error, where it ended."""
    more = True
    while more:
        params = {"citizen": citizen, "place": place}
        page = guard(partial(perform, "processing-log page", params, as_json=True, long=False), as_json=as_json)
        for one in page["records"]:
            print(json.dumps(one, ensure_ascii=False))
        place, more = page["place"], page["more"]
    print(f"--from {place}", file=sys.stderr)


@session.command("end")
def session_end(
    id: Annotated[str, typer.Argument(metavar="ID")] = "",
    citizen: Annotated[str, typer.Option(help="All sessions of this citizen.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a session, or all of a citizen: its tokens end, and the agencies are told."""
    run("session end", {"id": id, "citizen": citizen}, as_json=as_json)


@ledger.command("verify")
def ledger_verify(
    url: Annotated[
        str, typer.Option(help="https://…/ledger, to audit from its tiles alone; else this house's own.")
    ] = "",
    key: Annotated[str, typer.Option(help="With --url: the ledger's key, or a file with it.")] = "",
    receipt: Annotated[list[Path], typer.Option(help="Receipts whose checkpoints must be part of it.")] = [],  # noqa: B006 - typer copies it
    as_json: AsJson = False,
) -> None:
    """Audit the ledger: that it adds up, goes on from what was seen, and agrees with the register. Status 1 if not."""
    from regie import audit_url  # noqa: PLC0415 - see serve
    from regie.receipts import checkpoint_of  # noqa: PLC0415

    def work() -> Any:
        before = [checkpoint_of(one.read_bytes()) for one in receipt]
        if url:
            keys = keys_of(key)
            return audit_url.verify(url, keys, before)
        params = {"checkpoints": before}
        return perform("ledger verify", params, as_json=as_json, long=False)

    found = guard(work, as_json=as_json)
    show(found, as_json=as_json)
    if not found["ok"]:
        raise typer.Exit(1)


@ledger.command("reconcile")
def ledger_reconcile(
    as_new_log: Annotated[
        bool, typer.Option("--as-new-log", help="What was published is lost: go on as another log; all consents end.")
    ] = False,
    declared: Annotated[
        bool, typer.Option("--database-is-newest", help="The journal alone is lost; you know that nothing else is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """After a database was put back: complete it, end what had ended, and allow again. It is itself in the ledger."""
    run("ledger reconcile", {"as_new_log": as_new_log, "declared": declared}, as_json=as_json)


@officer.command("invite")
def officer_invite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as j.jansen.")],
    role: Annotated[str, typer.Option(help="supervisor: reads the figures, and changes nothing.")],
    as_json: AsJson = False,
) -> None:
    """A one-time code with which an officer makes a passkey, within a day; for who lost one too. Shown this once."""
    run("officer invite", {"name": name, "role": role}, as_json=as_json)


@supervisor.command("report")
def supervisor_report(
    month: Annotated[str, typer.Option(help="Such as 2026-10; else the one that runs, until midnight.")] = "",
    as_json: AsJson = False,
) -> None:
    """Uses, denials and answers of a month, what is unusual in them, and no number that is about few people; recorded."""
    run("supervisor report", {"month": month}, as_json=as_json)


@receipt.command("verify")
def receipt_verify(
    file: File,
    key: Annotated[str, typer.Option(help="The ledger's key, or a file with it: what /ledger/key said.")],
    jwks: Annotated[Path | None, typer.Option(help="The registry's keys: what /oauth2/jwks said.")] = None,
    witness: Annotated[list[str], typer.Option(help="A witness's key.")] = [],  # noqa: B006 - typer copies it
    quorum: Annotated[int, typer.Option(help="How many witnesses must have cosigned.")] = 0,
    ledger: Annotated[str, typer.Option(help="https://…/ledger, to ask whether it goes on from the receipt's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Verify a receipt offline: this file and the ledger's public key are all it needs."""
    from regie.receipts import verify  # noqa: PLC0415 - see serve

    def work() -> Any:
        keys = keys_of(key)
        found = jwks.read_bytes() if jwks is not None else None
        return verify(read(file).encode(), keys, jwks=found, witnesses=witness, quorum=quorum, ledger=ledger)

    show(guard(work, as_json=as_json), as_json=as_json)


def _migrate() -> dict[str, str]:
    from regie.house import House  # noqa: PLC0415 - see serve

    house = House.open(settings_of_house())
    for database in house.databases.values():
        database.migrate()
    house.close()
    return dict.fromkeys(house.databases, "up to date")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
