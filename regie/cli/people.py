"""Citizens, officers, and what is told of both."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from regie.cli.groups import AsJson, citizen, officer, processing_log, session, supervisor
from regie.terminal import guard, perform, run, show


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

    def work() -> None:
        write = generator.write_json_lines if file.suffix == ".jsonl" else generator.write_csv
        with file.open("w", newline="") as out:
            write(generator.people(count, seed=seed), out)

    guard(work, as_json=as_json)
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


@session.command("end")
def session_end(
    id: Annotated[str, typer.Argument(metavar="ID")] = "",
    citizen: Annotated[str, typer.Option(help="All sessions of this citizen.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a session, or all of a citizen: its tokens end, and the agencies are told."""
    run("session end", {"id": id, "citizen": citizen}, as_json=as_json)


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
