"""One krane in this process for most tests, with one image whose behaviour the deployment id selects."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from tests.krane.docker_image import ensure_base_image
from tests.krane.installation import DockerKind, Kind, Krane, MemoryKind, ProcessKind, serving


@pytest.fixture(scope="session")
def process_kind() -> ProcessKind:
    """The process backend."""
    return ProcessKind()


@pytest.fixture(scope="session")
async def docker_kind(docker_socket: Path) -> DockerKind:
    """The docker backend on the machine's engine."""
    return DockerKind(docker_socket, await asyncio.to_thread(ensure_base_image, docker_socket))


@pytest.fixture(scope="session")
def classic_kind(docker_kind: DockerKind) -> DockerKind:
    """The docker backend that builds with the classic builder."""
    settings = docker_kind.settings
    return DockerKind(settings.docker_socket, settings.python_base_image, build_memory_mib=64)


@pytest.fixture(scope="session")
async def process_krane(process_kind: ProcessKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the process backend."""
    async with serving(process_kind, tmp_path_factory.mktemp("krane")) as krane:
        yield krane


@pytest.fixture(scope="session")
async def memory_krane(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the backend that is in memory. It is never asked for what it lacks."""
    async with serving(cast(Kind, MemoryKind()), tmp_path_factory.mktemp("krane-memory")) as krane:
        yield krane


@pytest.fixture(scope="session")
async def docker_krane(docker_kind: DockerKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the docker backend."""
    async with serving(docker_kind, tmp_path_factory.mktemp("krane-docker")) as krane:
        yield krane


@pytest.fixture(scope="session")
async def classic_krane(classic_kind: DockerKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane on the docker backend that builds with the classic builder."""
    async with serving(classic_kind, tmp_path_factory.mktemp("krane-classic")) as krane:
        yield krane


@pytest.fixture(scope="session")
def krane(process_krane: Krane) -> Krane:
    """The krane of tests that need no more than one backend."""
    return process_krane
