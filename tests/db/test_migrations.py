import contextlib
import json
import sqlite3
from pathlib import Path

from alembic import command
from sqlalchemy import text

from services.db.deployment_settings import read_effective
from services.db.engine import Database
from services.db.migrations import alembic_config, migrate
from services.db.routes import read_revision
from services.db.tables import Deployment
from services.domain.settings import EffectiveSettings
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
        rows = connection.execute("SELECT given_settings, run FROM deployments")
        found = [(json.loads(given), json.loads(run)) for given, run in rows.fetchall()]
    sizes = {"replicas": 3, "cpu_millicores": 250, "memory_mib": 64}
    assert [given for given, _ in found] == [sizes, sizes | {"health_path": "/up"}, {}]
    assert [(run["port"], run["stop_seconds"], run["release_command"]) for _, run in found] == [(0, 0, [])] * 3


def test_an_upgrade_gathers_the_settings_of_a_deployment_in_one_column(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    config = alembic_config(sqlite_url(file))
    command.upgrade(config, "0006")
    run = {
        "replicas": 3,
        "cpu_millicores": 300,
        "memory_mib": 64,
        "health_path": "/up",
        "port": 9000,
        "stop_seconds": 7,
        "ready_seconds": 90,
        "release_command": ["./migrate", "a b"],
        "command": [],
    }
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        row = run | {"id": "d_1", "status": "ready", "generation": 1, "branch": "", "commit_sha": "", "message": ""}
        row |= {"workspace_id": "w", "project_id": "p", "environment_id": "e", "created_at_ms": 0}
        values = [json.dumps(value) if isinstance(value, list) else value for value in row.values()]
        connection.execute(f"INSERT INTO deployments ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", values)
        # Of another table, which refers to the row.
        connection.execute("INSERT INTO instances VALUES ('d_1', 'i_1', '', 'running', 1, 0)")

    command.upgrade(config, "head")

    with contextlib.closing(sqlite3.connect(file)) as connection:
        (kept,) = connection.execute("SELECT run FROM deployments").fetchone()
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(deployments)")}
    assert json.loads(kept) == run
    assert read_effective(Deployment(run=json.loads(kept))) == EffectiveSettings(
        **run | {"release_command": ("./migrate", "a b"), "command": ()}
    )
    assert not columns & run.keys()


def test_an_upgrade_keeps_routes_except_those_that_were_not_served(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    config = alembic_config(sqlite_url(file))
    command.upgrade(config, "0006")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO workspaces VALUES ('w', 'w', 0)")
        project = "id, workspace_id, slug, is_rolled_back, last_generation, created_at_ms"
        connection.execute(f"INSERT INTO projects ({project}) VALUES ('p', 'w', 'p', 0, 1, 0)")
        connection.execute("INSERT INTO environments VALUES ('e', 'p', 'e', 1)")
        columns = "id, workspace_id, project_id, environment_id, status, generation, branch, commit_sha, message"
        sizes = "replicas, cpu_millicores, memory_mib, health_path, created_at_ms"
        connection.execute(
            f"INSERT INTO deployments ({columns}, {sizes})"
            " VALUES ('d', 'w', 'p', 'e', 'ready', 1, '', '', '', 1, 250, 64, '', 0)"
        )
        connection.executemany(
            "INSERT INTO gateway_configs (hostname, workspace_id, project_id, deployment_id, is_enabled, revision)"
            " VALUES (?, 'w', 'p', 'd', ?, 1)",
            [("on.example.com", True), ("off.example.com", False)],
        )

    command.upgrade(config, "head")

    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM gateway_configs")]
    assert rows == [{"hostname": "on.example.com", "deployment_id": "d"}]


def test_steps_from_before_an_upgrade_have_no_remark(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    config = alembic_config(sqlite_url(file))
    command.upgrade(config, "0010")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "INSERT INTO deployment_steps"
            " (operation_id, name, deployment_id, operation, position, started_at_ms, error)"
            " VALUES ('inv_1', 'build', 'd_1', 'deploy', 1, 7, 'no')"
        )

    command.upgrade(config, "head")

    with contextlib.closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT name, started_at_ms, error, note FROM deployment_steps").fetchall()
    assert rows == [("build", 7, "no", "")]


def test_the_migrations_make_the_tables_that_the_code_declares(migrated_file: Path) -> None:
    command.check(alembic_config(sqlite_url(migrated_file)))
