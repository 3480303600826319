"""Measure krane on a Docker Engine against plain docker, interleaved in one run: `make bench-docker`.

Start: the time from "create" until the health check passes, with krane, and with `docker run` and a loop that probes
as often. Build: the time until the image exists, with krane, and with `docker build` and the Dockerfile that krane
writes. Each source is new, so only the layers of its base image are cached. One build copies a file, which shows the
overhead of krane; the other installs a package.
"""

import asyncio
import functools
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.timing import Stopwatch
from services.config import KraneSettings
from services.domain.plan import SourceFiles, make_plan
from services.krane.backends.building.app_config import parse_app_config
from services.krane.backends.docker.building.written import BaseImages, start_command, write_dockerfile
from services.krane.client import KraneClient
from services.krane.types import BuildStatus
from tests.krane.contract.test_builds import wheel
from tests.krane.docker_image import ensure_base_image, ensure_image
from tests.krane.installation import DockerKind, krane_process
from tests.krane.support import NAMESPACE, in_chunks, pack, spec
from tests.restate_server import free_port

ROUNDS = 20
# Builds that install a package are slow, so they are measured only every so many rounds.
INSTALL_EVERY = 4
LOOK_SECONDS = 0.01
DEADLINE_SECONDS = 60.0
PROCFILE = b"web: python app.py\n"
WHEEL = "greet-1.0-py3-none-any.whl"
PROBE = b"FROM scratch\nLABEL a=b\n"
RUN, BUILD, INSTALL = "docker run → healthy", "docker build", "docker build, pip install"


class Containers:
    """One krane and one docker command on the same engine."""

    def __init__(self, krane: KraneClient, image: str, base: str, folder: Path) -> None:
        self._krane = krane
        self._image = image
        self._base = base
        self._folder = folder
        self._numbers = itertools.count(1)
        # Part of every source, because the engine may still have images of an earlier run.
        self._mark = secrets.token_hex(8)
        # Kept as krane keeps its images: removing the last one would remove the shared layers.
        self._tags = ["interlock-bench:probe"]
        self.runs = Stopwatch()
        self.builds = Stopwatch()
        self.installs = Stopwatch()

    async def run(self) -> None:
        """Measure all kinds in turn, ROUNDS times."""
        for _ in range(ROUNDS):
            number = next(self._numbers)
            await self._docker_run(f"interlock-bench-{number}")
            await self.runs.time("krane create → healthy", self._krane_run(f"bench-{number}"))
            await self._krane.delete(NAMESPACE, f"bench-{number}")
            copied = f"# {self._mark}\nprint({number})\n"
            await self._docker_build(f"copy-{number}", self.builds, BUILD, {"app.py": copied})
            await self._krane_build(f"copy-{number}", self.builds, {"app.py": f"{copied}#\n"})
            if number % INSTALL_EVERY == 0:
                # Each has another length, so that nothing is cached.
                installed = {WHEEL: wheel(), "requirements.txt": f"./{WHEEL}\n#{self._mark}{'#' * number}\n"}
                await self._docker_build(f"pip-{number}", self.installs, INSTALL, installed)
                installed["requirements.txt"] = f"./{WHEEL}\n#{self._mark}{'#' * number}-\n"
                await self._krane_build(f"pip-{number}", self.installs, installed)

    async def clear(self) -> None:
        """Remove the images that plain docker built."""
        if self._tags:
            await _docker("rmi", *self._tags)

    async def _docker_run(self, name: str) -> None:
        async def healthy() -> None:
            publish = ("--init", "--memory", "128m", "--publish", "127.0.0.1::8080")
            variables = ("--env", "PORT=8080", "--env", f"INTERLOCK_DEPLOYMENT_ID={name}")
            await _docker("run", "--detach", "--name", name, *publish, *variables, self._image)
            address = (await _docker("port", name, "8080")).strip()
            await _until(lambda: _answers(f"http://{address}/healthz"))

        try:
            await self.runs.time(RUN, healthy())
        finally:
            await _docker("rm", "--force", "--volumes", name)

    async def _krane_run(self, deployment_id: str) -> None:
        await self._krane.create(spec(deployment_id, self._image))

        async def is_healthy() -> bool:
            state = await self._krane.get(NAMESPACE, deployment_id)
            return state is not None and all(instance.healthy for instance in state.instances)

        await _until(is_healthy)

    async def _docker_build(self, name: str, watch: Stopwatch, kind: str, files: Mapping[str, str | bytes]) -> None:
        contents = {**_bytes(files), "Procfile": PROCFILE}
        plan = make_plan(SourceFiles.collect(contents, contents.__getitem__))
        app = replace(parse_app_config(contents), command=start_command(plan))
        contents["Dockerfile"] = write_dockerfile(plan, app, BaseImages(python=self._base, node="none"), "").encode()
        context = self._folder / name
        context.mkdir()
        for path, content in contents.items():
            (context / path).write_bytes(content)
        tag = f"interlock-bench:{name}"
        await watch.time(kind, _docker("build", "--quiet", "--tag", tag, str(context)))
        self._tags.append(tag)

    async def _krane_build(self, build_id: str, watch: Stopwatch, files: Mapping[str, str | bytes]) -> None:
        stored = await self._krane.upload_source(in_chunks(pack({**files, "Procfile": PROCFILE})))

        async def built() -> None:
            await self._krane.start_build(NAMESPACE, build_id, stored.source)

            async def has_ended() -> bool:
                state = await self._krane.get_build(NAMESPACE, build_id)
                assert state is not None
                assert state.status in (BuildStatus.RUNNING, BuildStatus.SUCCEEDED), state
                return state.status is BuildStatus.SUCCEEDED

            await _until(has_ended)

        await watch.time("krane build", built())


def _bytes(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    return {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}


@asynccontextmanager
async def on_an_engine() -> AsyncGenerator[Containers]:
    """Run a krane for the block, and remove all that it leaves."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name:
        folder, socket = Path(name), KraneSettings().docker_socket
        base = await asyncio.to_thread(ensure_base_image, socket)
        image = await asyncio.to_thread(ensure_image, socket)
        (folder / "data").mkdir()
        # In a separate process, as for users; this process is busy polling.
        async with krane_process(DockerKind(socket, base), folder / "data", free_port()) as (_, krane):
            containers = Containers(krane, image, base, folder)
            try:
                yield containers
            finally:
                await containers.clear()


@functools.cache
def _docker_command() -> str:
    """Return the first docker on the PATH that can build with BuildKit, as krane does; newer ones need a plugin."""
    for folder in os.get_exec_path():
        command = shutil.which("docker", path=folder)
        probe = (command, "build", "--quiet", "--tag", "interlock-bench:probe", "-")
        if command and not subprocess.run(probe, input=PROBE, env=_environment(), capture_output=True).returncode:
            return command
    raise SystemExit("no docker on the PATH builds with BuildKit: install docker-cli or docker-buildx")


def _environment() -> dict[str, str]:
    return {**os.environ, "DOCKER_BUILDKIT": "1"}


async def _docker(*arguments: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        _docker_command(), *arguments, env=_environment(), stdout=pipe, stderr=pipe
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url, timeout=2.0)).is_success
        except httpx.TransportError:
            return False


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(LOOK_SECONDS)


async def main() -> None:
    """Measure and print."""
    console = Console()
    async with on_an_engine() as containers:
        await containers.run()
        console.print(containers.runs.report(RUN))
        console.print(containers.builds.report(BUILD))
        console.print(containers.installs.report(INSTALL))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
