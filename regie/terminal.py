"""What commands do at a terminal: run, here or in the server that has the files open; print; refuse in a sentence."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import typer

PATIENCE_S = 10
"""How long a command waits for whoever has the files open."""


def run(command: str, params: dict[str, Any], *, as_json: bool, long: bool = False) -> None:
    """Run a command here, or in the server that has the files open."""
    result = guard(lambda: perform(command, params, as_json=as_json, long=long), as_json=as_json)
    show(result, as_json=as_json)


def perform(command: str, params: dict[str, Any], *, as_json: bool, long: bool) -> Any:
    from base.database import DatabaseInUse  # noqa: PLC0415 - see cli.serve
    from regie import admin  # noqa: PLC0415
    from regie.commands import COMMANDS  # noqa: PLC0415
    from regie.house import House  # noqa: PLC0415
    from regie.settling import settle  # noqa: PLC0415

    settings = settings_of_house()
    patience = time.monotonic() + PATIENCE_S
    with _Bar(show=long and not as_json) as bar:
        while True:
            try:
                house = House.open(settings)
            except DatabaseInUse as error:
                try:
                    return admin.ask(settings.data_dir, command, params, bar.told)
                except admin.Unanswered:
                    # An import goes on where it was; anything else could be done twice.
                    if not long:
                        raise
                    time.sleep(0.1)
                    continue
                except (ConnectionError, FileNotFoundError):
                    # A server that is just starting, or another command that ends soon.
                    if time.monotonic() > patience:
                        raise error from None
                    time.sleep(0.1)
                    continue
            try:
                result = COMMANDS[command](house, params, bar.told)
                settle(house)
                return result
            finally:
                house.close()


class _Bar:
    """A progress bar on standard error, for people; drawn when there is progress."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._progress: Any = None

    def __enter__(self) -> Self:
        return self

    def told(self, progress: dict[str, Any]) -> None:
        if not self._show:
            return
        if self._progress is None:
            from rich.console import Console  # noqa: PLC0415 - see cli.serve
            from rich.progress import Progress  # noqa: PLC0415

            self._progress = Progress(console=Console(stderr=True))
            self._progress.start()
            self._task = self._progress.add_task("Importing", total=None)
        self._progress.update(self._task, completed=progress["done"], total=progress["total"])

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def settings_of_environment() -> Any:
    from base.settings import Settings, UnsafeSettings, wrong_value  # noqa: PLC0415 - see cli.serve

    try:
        return Settings()
    except ValueError as error:
        # A value that is no JSON, where JSON is wanted, comes without its place but names the setting.
        place = error.errors()[0]["loc"][0] if hasattr(error, "errors") else str(error).split('"')[1]
        raise UnsafeSettings(wrong_value(str(place))) from error


def settings_of_house() -> Any:
    """The same, for a command that may be the first to make the house; it then says what must be kept."""
    from regie.notes import first_start  # noqa: PLC0415 - see cli.serve

    settings = settings_of_environment()
    for sentence in first_start(settings):
        print(f"regie: {sentence}", file=sys.stderr)
    return settings


def read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    path = Path(file)
    if not path.is_file():
        from regie.refusal import Refused  # noqa: PLC0415 - see cli.serve

        raise Refused(f"there is no file {path}")
    try:
        return path.read_text()
    except UnicodeDecodeError:
        from regie.refusal import Refused  # noqa: PLC0415 - see cli.serve

        raise Refused(f"{path} is not UTF-8") from None


def keys_of(given: str) -> list[str]:
    """Verifier keys, from a file or as they were typed."""
    # No path: what is too long for the name of a file is a key.
    return (Path(given).read_text() if os.path.isfile(given) else given).split()  # noqa: PTH113


def guard(work: Callable[[], Any], *, as_json: bool) -> Any:
    """What is refused with a sentence ends here; anything else is a fault of ours and shows its stack."""
    from base.database import DatabaseInUse, UnknownTables, failures  # noqa: PLC0415 - see cli.serve
    from base.settings import UnsafeSettings  # noqa: PLC0415
    from keys.errors import KeysError  # noqa: PLC0415
    from regie.refusal import Refused  # noqa: PLC0415

    sentences = (Refused, UnsafeSettings, DatabaseInUse, UnknownTables, KeysError, OSError, UnicodeDecodeError)
    try:
        return work()
    except Exception as error:
        said = str(error) if isinstance(error, sentences) else failures.sentence(error)
        if said is None:
            raise
        if as_json:
            print(json.dumps({"error": said}))
        else:
            print(f"regie: {said}", file=sys.stderr)
        raise typer.Exit(1) from error


def show(result: Any, *, as_json: bool) -> None:
    if as_json or not isinstance(result, dict | list):
        print(json.dumps(result, ensure_ascii=False))
        return
    for one in result if isinstance(result, list) else [result]:
        for name, value in one.items():
            print(f"{name}: {_told(value)}")
        if isinstance(result, list):
            print()


def _told(value: Any) -> str:
    """One value for a person to read: a list of documents has a line for each."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        lines = [", ".join(f"{name} {_told(part)}" for name, part in one.items()) for one in value]
        return "".join(f"\n  {line}" for line in lines)
    return str(value) if isinstance(value, str | int | bool) else json.dumps(value, ensure_ascii=False)
