"""Alembic migrations, one branch per service.

While nothing is released: `python -m migrations.regenerate idp` (or consent) writes the first migration anew.
Afterwards: a migration runs under the old and the new code; dropping takes two releases.
"""
