"""The command line. `--json` prints one JSON document, errors included; exit status 0, 1 refused, 2 usage."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from regie.cli import agencies, people, proofs, table  # noqa: F401 - each adds its commands
from regie.cli.groups import AsJson, app
from regie.terminal import guard, perform, settings_of_environment, settings_of_house, show


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
def move(as_json: AsJson = False) -> None:
    """Move a house from SQLite to the empty PostgreSQL database of REGIE_DATABASE_URL; the server must be stopped."""
    show(guard(_move, as_json=as_json), as_json=as_json)


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


def _migrate() -> dict[str, str]:
    from regie.house import House  # noqa: PLC0415 - see serve

    # It is made, or brought up to date, as it is opened.
    house = House.open(settings_of_house())
    house.close()
    return dict.fromkeys(house.databases, "up to date")


def _move() -> dict[str, Any]:
    from regie import moving  # noqa: PLC0415 - see serve

    return moving.run(settings_of_environment())
