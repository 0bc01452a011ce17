"""Alembic environment of the idp service; see migrations.environment."""

from idp.store.tables import metadata
from migrations import environment

environment.run(metadata)
