"""Run by alembic: connects and runs the migrations in one transaction."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from services.db.engine import Database
from services.db.tables import Base


def run(connection: Connection) -> None:
    """Run the migrations on an open connection."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Open the database named by the configuration."""
    database = Database(context.config.attributes["url"])
    async with database.engine.execution_options(interlock_write=True).begin() as connection:
        await connection.run_sync(run)
    await database.close()


asyncio.run(main())
