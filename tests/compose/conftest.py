import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.krane.backends.docker.engine import Engine
from tests.compose.host import PARTS, Host
from tests.compose.images import ensure_images
from tests.end_to_end.stack import eventually


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """How Compose is run. Without it these tests are skipped, and fail in continuous integration."""
    for command in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    reason = "Compose is not installed: scripts/start_docker_engine.sh does"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
async def host(docker_socket: Path, compose: list[str]) -> AsyncIterator[Host]:
    """One installation, started by Compose with nothing but images; at the end nothing of it is left."""
    await asyncio.to_thread(ensure_images)
    host = Host(docker_socket, compose)
    try:
        host.compose("up", "--detach", "--no-build")
        for part in PARTS:
            await _healthy(host, part)
        yield host
    finally:
        await _take_down(host, docker_socket)


async def _healthy(host: Host, part: str) -> None:
    async def look() -> bool:
        return await asyncio.to_thread(host.probe, part)

    try:
        await eventually(look, f"{part} to be healthy", timeout=60)
    except AssertionError as error:
        error.add_note(host.logs())
        raise


async def _take_down(host: Host, socket: Path) -> None:
    host.compose("down", "--volumes", "--timeout", "20")
    engine = Engine(socket)
    for instance in await host.instances():
        await engine.remove_container(instance)
    await engine.close()
    assert host.left() == ""
