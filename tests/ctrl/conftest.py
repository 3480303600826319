import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from services.ctrl.client import ControlClient
from services.db.engine import Database
from tests.ctrl.installation import Installation

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One ctrl for all tests here."""
    running = Installation(tmp_path_factory.mktemp("ctrl"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[ControlClient]:
    """A client of the gRPC door."""
    async with installation.client() as client:
        yield client


@pytest.fixture
async def database(installation: Installation) -> AsyncIterator[Database]:
    """The database that ctrl uses."""
    database = installation.database()
    yield database
    await database.close()


@pytest.fixture
async def project(client: ControlClient) -> str:
    """The slug of a new project."""
    return (await client.create_project(f"shop{next(_numbers)}")).slug
