import contextlib
import json
import sqlite3
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


def test_deployments_that_wait_through_an_upgrade_keep_what_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    config = alembic_config(sqlite_url(file))
    command.upgrade(config, "0003")
    columns = "workspace_id, project_id, environment_id, branch, commit_sha, message, cpu_millicores, created_at_ms"
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            f"INSERT INTO deployments ({columns}, id, status, generation, replicas, memory_mib, health_path)"
            " VALUES ('w', 'p', 'e', '', '', '', 250, 0, ?, ?, ?, 3, 64, ?)",
            [("d_1", "pending", 1, ""), ("d_2", "building", 2, "/up"), ("d_3", "ready", 3, "/up")],
        )

    command.upgrade(config, "head")

    with contextlib.closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT given_settings, port, stop_seconds, release_command FROM deployments")
        given = [(json.loads(settings), *rest) for settings, *rest in rows.fetchall()]
    sizes = {"replicas": 3, "cpu_millicores": 250, "memory_mib": 64}
    assert given == [
        (sizes, 0, 0, "[]"),
        (sizes | {"health_path": "/up"}, 0, 0, "[]"),
        ({}, 0, 0, "[]"),
    ]


def test_the_migrations_make_the_tables_that_the_code_declares(migrated_file: Path) -> None:
    command.check(alembic_config(sqlite_url(migrated_file)))
