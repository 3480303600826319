import os
import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Never

import pytest
from hypothesis import settings
from xdist.remote import Producer

from services.config import Settings
from services.db.engine import Database
from services.db.migrations import migrate
from services.domain.errors import InterlockError
from services.krane.backends.docker.engine import Engine
from tests.nginx_server import nginx as nginx_program
from tests.pieces import KRANE, InPieces, piece_of, place_of
from tests.registry_server import RegistryServer, is_installed
from tests.ssh_server import SshServer, sshd

# The same examples in every run, so that a failure can be reproduced.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by piece, and refuse tests that use the Docker Engine outside of its piece."""
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and "docker_socket" in item.fixturenames
            and piece_of(item.nodeid) != KRANE
        ):
            raise pytest.UsageError(
                f"{item.nodeid} uses the Docker Engine: add its file to OF_KRANE in tests/pieces.py"
            )
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> InPieces:
    """Give each worker whole pieces."""
    # The tests are already sorted; do not sort them by the size of the piece.
    config.option.loadscopereorder = False
    return InPieces(config, log)


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
    """An empty SQLite database with the schema, for one test."""
    file = Path(shutil.copy(migrated_file, tmp_path / "interlock.db"))
    database = Database(sqlite_url(file))
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def docker_socket() -> Path:
    """Socket of a Docker Engine. Without one its tests are skipped, and fail in continuous integration."""
    socket = Settings().krane.docker_socket
    engine = Engine(socket)
    try:
        await engine.version()
    except InterlockError as error:
        _go_without(f"{error.message}: scripts/start_docker_engine.sh does")
    finally:
        await engine.close()
    return socket


@pytest.fixture(scope="session")
def registry(docker_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[RegistryServer]:
    """A private registry. Without one its tests are skipped, and fail in continuous integration."""
    if not is_installed():
        _go_without("docker-registry is not installed: scripts/start_docker_engine.sh does that")
    server = RegistryServer(tmp_path_factory.mktemp("registry"), docker_socket)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> SshServer:
    """An sshd that tests can start. Without one they are skipped, and fail in continuous integration."""
    if not sshd():
        _go_without("sshd is not installed: scripts/start_docker_engine.sh does that")
    return SshServer(tmp_path_factory.mktemp("sshd"))


@pytest.fixture(scope="session")
def nginx() -> str:
    """The program that tests let run in front. Without it they are skipped, and fail in continuous integration."""
    found = nginx_program()
    if not found:
        _go_without("nginx is not installed: scripts/start_docker_engine.sh does that")
    return found


def _go_without(reason: str) -> Never:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
