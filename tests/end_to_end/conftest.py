import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.stack import Project, Stack
from tests.krane.docker_image import ensure_base_image
from tests.krane.installation import DockerKind

# What is not needed any more should not make the suite wait.
QUICK = {"INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.5"}
# The server suspends a handler as soon as it waits, so that every await is followed by a replay.
REPLAY = {"RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT": "0s"}
# For tests whose workflows others replay already.
AS_USERS_RUN_IT = pytest.mark.parametrize("stack", ["normal"], indirect=True)

_numbers = itertools.count(1)


@pytest.fixture(scope="package", params=["normal", "always-replay"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One installation for all tests that do not take it down."""
    environment = QUICK if request.param == "normal" else QUICK | REPLAY
    running = Stack(tmp_path_factory.mktemp("stack") / "data", environment)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
async def docker_stack(docker_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One installation on the docker backend; whatever it left on the engine is removed."""
    kind = DockerKind(docker_socket, await asyncio.to_thread(ensure_base_image, docker_socket))
    environment = {
        "INTERLOCK_KRANE__BACKEND": "docker",
        "INTERLOCK_KRANE__DOCKER_SOCKET": str(docker_socket),
        "INTERLOCK_KRANE__PYTHON_BASE_IMAGE": kind.settings.python_base_image,
    }
    running = Stack(tmp_path_factory.mktemp("docker-stack") / "data", QUICK | environment)
    await asyncio.to_thread(running.start)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)
        await kind.end(running.data_dir)


@pytest.fixture
async def docker_project(docker_stack: Stack, tmp_path: Path) -> AsyncIterator[Project]:
    """A new project on the docker backend."""
    async with docker_stack.control() as control:
        created = await control.create_project(f"docker{next(_numbers)}")
        yield Project(stack=docker_stack, control=control, id=created.id, slug=created.slug, sources=tmp_path)


@pytest.fixture
async def project(stack: Stack, tmp_path: Path) -> AsyncIterator[Project]:
    """A new project."""
    async with stack.control() as control:
        slug = f"app{next(_numbers)}"
        created = await control.create_project(slug)
        yield Project(stack=stack, control=control, id=created.id, slug=slug, sources=tmp_path)
