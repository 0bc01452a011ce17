"""What must agree with what: tables with migrations, Dutch with English, the settings page with the settings."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from base.i18n.extract import SERVICES, faults
from idp.citizens import generator
from regie.settings_page import page
from tests.fixtures.house import Backend
from tests.spec import standards

HERE = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("service", ["idp", "consent"])
def test_models_and_migrations_agree(backend: Backend, service: str) -> None:
    metadata = import_module(f"{service}.store.tables").metadata

    differences = backend.open(service).read_now(
        lambda c: compare_metadata(MigrationContext.configure(c, opts={"compare_type": True}), metadata)
    )

    # The version table and the lock of concurrent starts are the migrations' own.
    own = [one for one in differences if not (one[0] == "remove_table" and one[1].name == "migrating")]
    assert own == []


@pytest.mark.parametrize("service", list(SERVICES))
def test_nothing_is_untranslated(service: str) -> None:
    assert list(faults(service)) == []


def test_who_authenticates_a_client_runs_its_unit_by_the_context() -> None:
    """Context.write and Context.read fetch a client's keys when they are missing; the database's own do not."""
    sources = {path.name: path.read_text() for path in (HERE / "idp" / "endpoints").glob("*.py")}
    authenticating = {
        name for name, text in sources.items() if "import authenticate" in text or "server.token(" in text
    }

    assert {"token.py", "par.py", "introspect.py"} <= authenticating
    assert [name for name in sorted(authenticating) if "context.database." in sources[name]] == []


def test_the_settings_page_is_the_settings() -> None:
    assert (HERE / "docs" / "settings.md").read_text() == page()


@pytest.mark.parametrize("page", [*HERE.glob("*.md"), *HERE.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    linked = [one for one in re.findall(r"\]\(([^)#\s]+)", page.read_text()) if "://" not in one]

    assert [one for one in linked if not (page.parent / one).exists()] == []


def test_the_sample_is_the_generators(tmp_path: Path) -> None:
    with (tmp_path / "sample.csv").open("w", newline="") as file:
        generator.write_csv(generator.people(1000), file)

    assert (tmp_path / "sample.csv").read_bytes() == (HERE / "idp" / "citizens" / "sample-1000.csv").read_bytes()


def test_the_page_of_standards_is_the_tests() -> None:
    assert (HERE / "docs" / "standards.md").read_text() == standards.page()


def test_every_module_of_the_suites_has_its_test() -> None:
    known = list(standards.tests())

    found = standards.modules(known)

    assert [(suite, name) for suite, names in found.items() for name, by in names.items() if not by] == []
