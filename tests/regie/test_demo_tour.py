"""What the demo prints for a newcomer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest
from typer.testing import CliRunner

from idp.authenticators.totp import matching_step
from regie import cli
from regie.demo import tour
from regie.demo.seed import LOGINS, Ports


@pytest.mark.parametrize(
    ("environment", "speech"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "nl_NL.UTF-8"}, "nl"),
        ({"LANG": "nl_NL.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "nl_BE"}, "nl"),
    ],
)
def test_it_speaks_the_terminals_language(environment: dict[str, str], speech: str) -> None:
    assert tour.language(environment) == speech


@pytest.mark.parametrize("texts", [tour.TOUR, tour.LATER, tour.BELOW, tour.LIVE, tour.STOPPED])
def test_both_languages_tell_the_same(texts: dict[str, str]) -> None:
    names = [{name for _, name, _, _ in Formatter().parse(texts[speech]) if name} for speech in ("nl", "en")]

    assert names[0] == names[1]


@pytest.mark.parametrize("speech", ["nl", "en"])
def test_it_names_every_address_and_everybody_who_can_log_in(speech: str, capsys: pytest.CaptureFixture[str]) -> None:
    tour.show(Ports(), Path("demo-data"), speech)

    printed = capsys.readouterr().out
    for port in (8000, 8001, 8002, 8003):
        assert f"http://localhost:{port}" in printed
    for username, password, secret in LOGINS:
        assert re.search(rf"{username} +{password} +{secret} +{username.capitalize()} ", printed)
    assert "bin/demo --codes" in printed


def test_the_codes_it_prints_are_those_that_serve() -> None:
    said = CliRunner().invoke(cli.app, ["demo", "--codes"]).stdout.strip()

    for told, (username, _, secret) in zip(said.split(" · "), LOGINS, strict=True):
        assert told.split(" ")[0] == username
        assert matching_step(secret, told.split(" ")[1], datetime.now(UTC)) is not None
