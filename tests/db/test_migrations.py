from pathlib import Path

from alembic import command
from sqlalchemy import text

from services.db.engine import Database
from services.db.migrations import alembic_config, migrate
from services.db.routes import read_revision
from tests.conftest import sqlite_url


async def test_migrating_an_empty_file_gives_a_usable_database(database: Database) -> None:
    async with database.read() as session:
        assert await read_revision(session) == 0


async def test_migrating_again_changes_nothing(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE routing_revision SET revision = 7"))

    await migrate(database.url)

    async with database.read() as session:
        assert await read_revision(session) == 7


def test_the_migrations_make_the_tables_that_the_code_declares(migrated_file: Path) -> None:
    command.check(alembic_config(sqlite_url(migrated_file)))
