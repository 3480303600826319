"""`make demo BACKEND=docker`: what the README promises first, on a Docker Engine."""

import asyncio
import os
import sys
from pathlib import Path

from services.krane.backends.docker.containers import Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.shared.folders import Folders
from tests.krane.docker_image import ensure_base_image
from tests.krane.installation import DockerKind

DEADLINE_SECONDS = 150.0


async def test_the_demo_is_as_expected_on_a_docker_engine_and_leaves_nothing_there(
    docker_socket: Path, tmp_path: Path
) -> None:
    kind = DockerKind(docker_socket, await asyncio.to_thread(ensure_base_image, docker_socket))
    environment = {
        **os.environ,
        "INTERLOCK_KRANE__BACKEND": "docker",
        "INTERLOCK_KRANE__DOCKER_SOCKET": str(docker_socket),
        "INTERLOCK_KRANE__PYTHON_BASE_IMAGE": kind.settings.python_base_image,
        "TMPDIR": str(tmp_path),
    }
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.runtime.demo"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert demo.stdout is not None
    told: list[str] = []
    data_dir: Path | None = None
    containers: set[str] = set()
    images: set[str] = set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for line in demo.stdout:
            told.append(line.decode())
            data_dir = data_dir or _data_dir(tmp_path)
            if data_dir:
                containers |= await _containers(kind, data_dir)
                images |= await kind.images(data_dir)
        code = await demo.wait()

    assert (code, told[-1][:16]) == (0, "All as expected,"), "".join(told)
    assert data_dir is not None
    # Three that were deployed; what was cancelled may not have come so far.
    assert (len(containers) >= 3, len(images) >= 3) == (True, True)
    assert await _containers(kind, data_dir) == await kind.images(data_dir) == set()


def _data_dir(folder: Path) -> Path | None:
    """The data directory of the demo, as soon as there is one."""
    return next((temporary / "data" for temporary in folder.glob("interlock-demo-*")), None)


async def _containers(kind: DockerKind, data_dir: Path) -> set[str]:
    """The containers of one installation."""
    engine = Engine(kind.settings.docker_socket)
    found = await Containers(engine, Folders.under(data_dir)).all()
    await engine.close()
    return {container.id for container in found}
