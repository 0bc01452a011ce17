"""The groups of commands, and how commands that take nothing or one thing are made: by a line of regie.cli.table."""

from typing import Annotated

import typer

from regie.terminal import guard, read, run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Regie: one electronic identity for every citizen, and a register of every use of their data.",
    epilog="To look around: regie demo. For a server of your own: docs/operations.md. Commands that change something "
    "work on the files or, when a server has them open, through it.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A JSON file, or - for standard input.")]
By = Annotated[
    str,
    typer.Option("--by", metavar="NAME", help="Who does it, for the ledger; outside development needed for purposes."),
]


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


def plain(group: typer.Typer, name: str, command: str, doc: str, argument: str | None = None) -> None:
    """A command that takes nothing, or one name."""
    if argument is None:

        def without(as_json: AsJson = False) -> None:
            run(command, {}, as_json=as_json)

        group.command(name, help=doc)(without)
        return

    def with_one(value: Annotated[str, typer.Argument(metavar=argument.upper())], as_json: AsJson = False) -> None:
        run(command, {argument: value}, as_json=as_json)

    group.command(name, help=doc)(with_one)


def by(group: typer.Typer, name: str, command: str, doc: str, *, file: bool = False) -> None:
    """A command on the catalogue, which keeps who did it: of a file, or of one thing by its id."""

    def with_file(path: File, by: By = "", as_json: AsJson = False) -> None:
        run(command, {"file": guard(lambda: read(path), as_json=as_json), "by": by}, as_json=as_json)

    def with_id(value: Annotated[str, typer.Argument(metavar="ID")], by: By = "", as_json: AsJson = False) -> None:
        run(command, {"id": value, "by": by}, as_json=as_json)

    group.command(name, help=doc)(with_file if file else with_id)


def from_file(group: typer.Typer, name: str, command: str, doc: str) -> None:
    def with_file(file: File, as_json: AsJson = False) -> None:
        run(command, {"file": guard(lambda: read(file), as_json=as_json)}, as_json=as_json)

    group.command(name, help=doc)(with_file)
