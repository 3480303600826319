"""One krane in this process for most tests, with one image whose behaviour the deployment id selects."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.krane.installation import DockerKind, Krane, ProcessKind, serving


@pytest.fixture(scope="session")
def process_kind() -> ProcessKind:
    """The process backend."""
    return ProcessKind()


@pytest.fixture(scope="session")
def docker_kind(docker_socket: Path) -> DockerKind:
    """The docker backend on the machine's engine."""
    return DockerKind(docker_socket)


@pytest.fixture(scope="session")
async def process_krane(process_kind: ProcessKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the process backend."""
    async with serving(process_kind, tmp_path_factory.mktemp("krane")) as krane:
        yield krane


@pytest.fixture(scope="session")
async def docker_krane(docker_kind: DockerKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the docker backend."""
    async with serving(docker_kind, tmp_path_factory.mktemp("krane-docker")) as krane:
        yield krane


@pytest.fixture(scope="session")
def krane(process_krane: Krane) -> Krane:
    """The krane of tests that need no more than one backend."""
    return process_krane
