import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import settings

from services.config import Settings
from services.db.engine import Database
from services.db.migrations import migrate
from services.domain.errors import InterlockError
from services.krane.backends.docker.engine import Engine

# The same examples in every run: what fails here fails everywhere.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture(scope="session")
async def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the schema; copy it, since migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("database") / "migrated.db"
    await migrate(sqlite_url(file))
    return file


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """A SQLite database of its own, with the schema."""
    file = Path(shutil.copy(migrated_file, tmp_path / "interlock.db"))
    database = Database(sqlite_url(file))
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def docker_socket() -> Path:
    """Where a Docker Engine answers. Without one its tests are skipped, and fail in continuous integration."""
    socket = Settings().krane.docker_socket
    engine = Engine(socket)
    try:
        await engine.version()
    except InterlockError as error:
        reason = f"{error.message}: scripts/start_docker_engine.sh does"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    finally:
        await engine.close()
    return socket
