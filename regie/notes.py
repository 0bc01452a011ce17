"""What an operator should read when a server starts."""

from __future__ import annotations

from collections.abc import Mapping

from base.settings import Settings, strangers


def notes(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Sentences; most starts have none."""
    found = strangers(environment)
    kek = settings.data_dir / "kek"
    if settings.kek is None and not kek.exists():
        found.append(
            f"This first start makes keys and databases in {settings.data_dir}. Keep a copy of {kek}, apart from "
            "other backups: without it everything sealed is lost."
        )
    return found
