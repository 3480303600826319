"""krane on each of its backends, for tests: served in this process, or as a process of its own that can be killed."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.config import KraneBackend, KraneSettings
from services.krane.backends.docker.building.images import BuiltImages
from services.krane.backends.docker.containers import Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.volumes import EngineVolumes
from services.krane.backends.opening import stop_all
from services.krane.backends.shared.folders import Folders
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.server import serving as serving_backend
from services.krane.types import DeploymentSpec, task_log_name
from services.runtime.health import serves_grpc
from tests.krane.docker_image import ensure_image
from tests.krane.memory_backend import MemoryImage, open_memory
from tests.krane.support import (
    build,
    container_processes,
    never_ending,
    pack,
    pack_folder,
    processes_of,
    shims_of,
    spec,
    until,
)

APP = Path(__file__).parent / "app"
GRACE_SECONDS = 1.0
# Where the repositories of tests are, as everything that pytest makes.
FILE_ROOT = Path(tempfile.gettempdir())


class Kind(Protocol):
    """What tests must know of a backend."""

    @property
    def settings(self) -> KraneSettings:
        """Settings of a krane on it."""
        ...

    @property
    def absent_image(self) -> str:
        """The name of an image that is not there."""
        ...

    def running(self, data_dir: Path) -> AbstractAsyncContextManager[str]:
        """A krane that serves from this process; yields its host:port."""
        ...

    async def image(self, client: KraneClient) -> str:
        """The badly behaved app of tests/krane/app, as an image."""
        ...

    def processes(self, data_dir: Path, deployment_id: str) -> set[int]:
        """The pids of the first instance of a deployment, descendants included."""
        ...

    def slow_source(self, marker: str) -> bytes:
        """A source whose build starts a process in another session, known by the marker, and then never ends."""
        ...

    async def lose_task(self, data_dir: Path, task_id: str) -> None:
        """Take away what holds the run of a task."""
        ...

    async def images(self, data_dir: Path) -> set[str]:
        """Everything that builds made and that is there, what is half-made included."""
        ...

    async def end(self, data_dir: Path) -> None:
        """End what an ended krane left running, and check that nothing is left at all."""
        ...


class ProcessKind:
    """Supervised processes."""

    settings = KraneSettings(
        port=0,
        stop_grace_seconds=GRACE_SECONDS,
        max_source_bytes=1024 * 1024,
        build_timeout_seconds=20.0,
        git_file_roots=(FILE_ROOT,),
    )
    absent_image = f"artifact@sha256:{'0' * 64}"

    def running(self, data_dir: Path) -> AbstractAsyncContextManager[str]:
        return running(data_dir, self.settings)

    async def image(self, client: KraneClient) -> str:
        built = await build(client, "test-app", pack_folder(APP))
        assert built.image, built
        return built.image

    def processes(self, data_dir: Path, deployment_id: str) -> set[int]:
        return processes_of(data_dir, deployment_id)

    def slow_source(self, marker: str) -> bytes:
        pyproject = '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
        return pack({"Procfile": "web: python slow.py", "pyproject.toml": pyproject, "slow.py": never_ending(marker)})

    async def lose_task(self, data_dir: Path, task_id: str) -> None:
        for shim in shims_of(data_dir):
            os.kill(shim, signal.SIGKILL)

    async def images(self, data_dir: Path) -> set[str]:
        folder = Folders.under(data_dir).artifacts
        return {f"artifact@sha256:{image.name}" for image in folder.iterdir()} if folder.exists() else set()

    async def end(self, data_dir: Path) -> None:
        await stop_all(data_dir, self.settings)
        assert shims_of(data_dir) == set()


class MemoryKind:
    """Commands whose records are in memory. What needs builds, files or another krane is no question to it."""

    settings = KraneSettings(port=0)
    absent_image = f"memory@sha256:{'0' * 64}"
    _image = f"memory@sha256:{'1' * 64}"

    @asynccontextmanager
    async def running(self, data_dir: Path) -> AsyncGenerator[str]:
        app = MemoryImage(command=(sys.executable, "app.py", "--port=$PORT"), folder=APP, health_path="/healthz")
        async with open_memory({self._image: app}) as backend, serving_backend(backend, self.settings) as address:
            yield address

    async def image(self, client: KraneClient) -> str:
        return self._image

    def processes(self, data_dir: Path, deployment_id: str) -> set[int]:
        return container_processes(deployment_id)

    async def end(self, data_dir: Path) -> None:
        """Nothing is left when it is closed."""


class DockerKind:
    """Containers of one engine."""

    absent_image = f"sha256:{'0' * 64}"

    def __init__(self, socket: Path, python_base_image: str, *, build_memory_mib: int | None = None) -> None:
        """Builds that are to be limited are the classic builder's; the others are BuildKit's."""
        self.settings = KraneSettings(
            backend=KraneBackend.DOCKER,
            docker_socket=socket,
            port=0,
            stop_grace_seconds=GRACE_SECONDS,
            max_source_bytes=1024 * 1024,
            build_timeout_seconds=60.0,
            build_memory_mib=build_memory_mib,
            python_base_image=python_base_image,
            git_file_roots=(FILE_ROOT,),
        )

    def running(self, data_dir: Path) -> AbstractAsyncContextManager[str]:
        return running(data_dir, self.settings)

    async def image(self, client: KraneClient | None = None) -> str:
        return await asyncio.to_thread(ensure_image, self.settings.docker_socket)

    def processes(self, data_dir: Path, deployment_id: str) -> set[int]:
        return container_processes(deployment_id)

    def slow_source(self, marker: str) -> bytes:
        base = self.settings.python_base_image
        dockerfile = f'FROM {base}\nCOPY slow.py .\nRUN ["python", "-S", "slow.py"]\n'
        return pack({"Dockerfile": dockerfile, "slow.py": never_ending(marker)})

    async def lose_task(self, data_dir: Path, task_id: str) -> None:
        engine = Engine(self.settings.docker_socket)
        for container in await Containers(engine, Folders.under(data_dir)).of_instance(task_log_name(task_id)):
            await engine.remove_container(container.id)
        await engine.close()

    async def images(self, data_dir: Path) -> set[str]:
        engine = Engine(self.settings.docker_socket)
        stored = await BuiltImages(engine, Containers(engine, Folders.under(data_dir))).stored()
        await engine.close()
        return {image.reference for image in stored}

    async def end(self, data_dir: Path) -> None:
        engine = Engine(self.settings.docker_socket)
        containers = Containers(engine, Folders.under(data_dir))
        for container in await containers.all():
            await engine.remove_container(container.id)
        images = BuiltImages(engine, containers)
        while left := await images.stored():
            for image in left:
                await images.remove(image.reference, lambda: False)
        await EngineVolumes(engine, containers).remove_all()
        await engine.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Krane:
    """A running krane."""

    client: KraneClient
    # host:port
    address: str
    data_dir: Path
    # The badly behaved app of tests/krane/app.
    image: str
    kind: Kind

    async def create(self, deployment_id: str, *, replicas: int = 1, memory_mib: int = 128) -> DeploymentSpec:
        """Start the test app; the part of the id before "-" is its behaviour."""
        wanted = spec(deployment_id, self.image, replicas=replicas, memory_mib=memory_mib)
        await self.client.create(wanted)
        return wanted

    def processes(self, deployment_id: str) -> set[int]:
        """The pids of the first instance of a deployment, descendants included."""
        return self.kind.processes(self.data_dir, deployment_id)


@asynccontextmanager
async def serving(kind: Kind, data_dir: Path) -> AsyncGenerator[Krane]:
    """A krane that serves over real gRPC from this process and leaves nothing behind."""
    try:
        async with kind.running(data_dir) as address, KraneClient(address) as client:
            image = await kind.image(client)
            yield Krane(client=client, address=address, data_dir=data_dir, image=image, kind=kind)
    finally:
        await kind.end(data_dir)


class KraneProcess:
    """`python -m services.krane` on one data directory."""

    def __init__(self, kind: Kind, data_dir: Path, port: int, before: Sequence[str] = ()) -> None:
        self.kind = kind
        self._before = before
        self.data_dir = data_dir
        self.address = f"127.0.0.1:{port}"
        settings = kind.settings
        self._environment = {
            "PATH": os.environ["PATH"],
            "INTERLOCK_DATA_DIR": str(data_dir),
            "INTERLOCK_KRANE__BACKEND": settings.backend,
            "INTERLOCK_KRANE__DOCKER_SOCKET": str(settings.docker_socket),
            "INTERLOCK_KRANE__PORT": str(port),
            "INTERLOCK_KRANE__PYTHON_BASE_IMAGE": settings.python_base_image,
            "INTERLOCK_KRANE__STOP_GRACE_SECONDS": str(settings.stop_grace_seconds),
        }
        if settings.build_memory_mib is not None:
            self._environment["INTERLOCK_KRANE__BUILD_MEMORY_MIB"] = str(settings.build_memory_mib)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.data_dir / "krane.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._before, sys.executable, "-m", "services.krane", env=self._environment, stderr=log
            )
        # A connection anew each time: one that was refused pauses before it is made again.
        await until(self._serves)

    async def _serves(self) -> bool:
        return await serves_grpc(self.address)

    async def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    def processes(self, deployment_id: str) -> set[int]:
        """The pids of the first instance of a deployment, descendants included."""
        return self.kind.processes(self.data_dir, deployment_id)


@asynccontextmanager
async def krane_process(
    kind: Kind, data_dir: Path, port: int, before: Sequence[str] = ()
) -> AsyncGenerator[tuple[KraneProcess, KraneClient]]:
    """A krane of its own process, its client, and nothing left behind. `before` is a command that runs it."""
    process = KraneProcess(kind, data_dir, port, before)
    await process.start()
    try:
        async with KraneClient(process.address) as client:
            yield process, client
    finally:
        await process.end(signal.SIGKILL)
        await kind.end(data_dir)
