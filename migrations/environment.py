"""What the environments of both services share."""

from alembic import context
from sqlalchemy import MetaData


def run(metadata: MetaData) -> None:
    """Run on the connection that the program hands over (base.database.migrating)."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite cannot alter most things: Alembic then copies the table.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transactional_ddl=False,  # the caller's transaction holds everything
    )
    context.run_migrations()
