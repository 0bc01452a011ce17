"""Alembic environment of the consent service; see migrations.environment."""

from consent.store.tables import metadata
from migrations import environment

environment.run(metadata)
