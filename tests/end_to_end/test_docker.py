"""An installation on the docker backend: from a source tree to a hostname that answers, through every real part."""

import asyncio
from pathlib import Path

from tests.end_to_end.conftest import QUICK
from tests.end_to_end.stack import ROOT, Project, Stack, chunked, pack
from tests.krane.docker_image import ensure_base_image
from tests.krane.installation import DockerKind


async def test_a_python_app_without_a_dockerfile_is_built_and_live(docker_socket: Path, tmp_path: Path) -> None:
    kind = DockerKind(docker_socket, await asyncio.to_thread(ensure_base_image, docker_socket))
    environment = {
        "INTERLOCK_KRANE__BACKEND": "docker",
        "INTERLOCK_KRANE__DOCKER_SOCKET": str(docker_socket),
        "INTERLOCK_KRANE__PYTHON_BASE_IMAGE": kind.settings.python_base_image,
    }
    stack = Stack(tmp_path / "data", QUICK | environment)
    await asyncio.to_thread(stack.start)
    try:
        async with stack.control() as control:
            created = await control.create_project("docker")
            project = Project(stack=stack, control=control, id=created.id, slug=created.slug, sources=tmp_path)
            source = await control.upload_source(chunked(pack(ROOT / "examples" / "hello-python")))

            first = await project.deploy("1", source=source)
            command = ["python", "-c", "import os; print('released in', os.getcwd())"]
            again = await project.deploy("1", source=source, release_command=command)

            assert (first.status, again.status) == ("ready", "ready"), (first, again)
            assert again.image == first.image
            line = (await control.logs(again.id)).lines[0]
            assert (line.instance_id, line.text) == (f"{again.id}-release", "released in /app")
            assert await project.answers("live") == "1"
    finally:
        await asyncio.to_thread(stack.stop)
        await kind.end(stack.data_dir)
