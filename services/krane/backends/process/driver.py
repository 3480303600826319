"""Deployments of the process backend. Each is a folder with a record that is written before anything is started."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import TypeAdapter

from services.config import LOOPBACK, KraneSettings
from services.domain.errors import PreconditionFailed, Unavailable
from services.domain.images import registry_of
from services.domain.listening import Expected, Listener, elsewhere
from services.domain.volumes import parse_volumes
from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.hosted.deployment import HostedDeployment, Wanted
from services.krane.backends.hosted.grace import effective_grace
from services.krane.backends.hosted.health import make_check
from services.krane.backends.hosted.instance import HISTORY, HostedInstance
from services.krane.backends.hosted.probe import Prober
from services.krane.backends.process.artifacts import artifact
from services.krane.backends.process.environment import instance_environment
from services.krane.backends.process.ports import HeldPort, HeldPorts
from services.krane.backends.process.writable import WritableImage
from services.krane.backends.shared.files import Record, remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_file import follow_file
from services.krane.backends.shared.log_lines import Place
from services.krane.backends.shared.logs import tail
from services.krane.backends.shared.processes import are_stopped
from services.krane.backends.shared.records import FOLDED
from services.krane.backends.shared.sockets import listeners_of_processes
from services.krane.backends.supervision.ending import Ending
from services.krane.backends.supervision.supervised import CommandSpec, SupervisedProcess
from services.krane.checks import check_reference
from services.krane.types import DeploymentSpec, FollowedLine, HostCredential, LogQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """The stored record of a deployment."""

    spec: DeploymentSpec
    # Copied from the image, so that the deployment never changes.
    app: AppConfig
    wanted: Wanted
    # From the caller. Kept because the next krane also starts instances; only the owner can read the file.
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)


DEPLOYMENT_RECORD: TypeAdapter[ProcessRecord] = TypeAdapter(Annotated[ProcessRecord, FOLDED])


class ProcessDriver:
    """The deployments of one data directory."""

    def __init__(self, folders: Folders, settings: KraneSettings, *, can_mount: bool) -> None:
        self._folders = folders
        self._settings = settings
        self._can_mount = can_mount
        self._prober = Prober()
        self._ports = HeldPorts()

    async def recorded(self) -> list[HostedDeployment]:
        """Return every recorded deployment. Folders without a record are removed."""
        # Folders of deployments may hold secrets.
        self._folders.deployments.mkdir(mode=0o700, parents=True, exist_ok=True)
        recorded: list[HostedDeployment] = []
        for folder in sorted(self._folders.deployments.iterdir()):
            record = _record(folder).read()
            if record is None:
                remove_tree(folder)
            else:
                recorded.append(self._deployment(record))
        return recorded

    async def resolve(self, image: str, credential: HostCredential | None) -> str:
        """Return the reference of a built image unchanged."""
        if registry_of(image) is not None:
            raise PreconditionFailed(
                f"image {image[:120]} is in a registry, but this krane runs only what it built: "
                "deploy a source, or set INTERLOCK_KRANE__BACKEND=docker"
            )
        if artifact(self._folders.artifacts, check_reference("artifact", image)).config is None:
            raise PreconditionFailed(f"{image} is not here: deploy its source again")
        return image

    async def pull(self, image: str, credential: HostCredential | None) -> bool:
        """Return True: a build made the image, or `resolve` raises."""
        return await self.resolve(image, credential) == image

    async def plan(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> HostedDeployment:
        """Return a deployment of a built image."""
        app = artifact(self._folders.artifacts, check_reference("artifact", spec.image)).config
        if app is None:
            raise PreconditionFailed(f"deployment {spec.deployment_id}: {spec.image} is not here: build it again")
        if app.missing_start and not spec.run.command:
            raise PreconditionFailed(app.missing_start)
        record = ProcessRecord(spec=spec, app=app, wanted=Wanted.RUNNING, environment=dict(environment))
        return self._deployment(record)

    async def sweep(self, namespace: str, deployment_id: str) -> None:
        """Do nothing: the record is written first, so nothing exists without it."""

    def logged(self, namespace: str, deployment_id: str) -> list[str]:
        """Return the instances that have a log."""
        return sorted(file.stem for file in self._folders.logs(namespace, deployment_id).glob("*.log"))

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """Return the newest log lines of one instance."""
        return tail(self._log(namespace, deployment_id, instance_id), lines, max_bytes)

    def follow_log(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """Yield new lines of the file that the shim writes."""
        return follow_file(self._log(query.namespace, query.deployment_id, instance_id), place, is_over)

    async def close(self) -> None:
        """Close the prober, and leave the ports to the shims."""
        await self._prober.close()
        self._ports.close()

    def _deployment(self, record: ProcessRecord) -> HostedDeployment:
        spec = record.spec
        store = DeploymentFolder(self._folders.deployments / spec.deployment_id, self._folders.artifacts, record)
        instances = [self._instance(record, index) for index in range(spec.run.replicas)]
        return HostedDeployment(spec, record.wanted, store, instances)

    def _instance(self, record: ProcessRecord, index: int) -> HostedInstance:
        spec = record.spec
        image = artifact(self._folders.artifacts, check_reference("artifact", spec.image))
        instance_id = f"{spec.deployment_id}-{index}"
        folder = self._folders.instance(spec.deployment_id, index)
        writable = WritableImage(
            image=image,
            folder=folder,
            can_mount=self._can_mount,
            volumes=parse_volumes(spec.run.volumes),
            store=self._folders.volumes(spec.namespace, spec.volume_scope),
        )
        command = CommandSpec(
            arguments=spec.run.command or record.app.command,
            environment=instance_environment(
                deployment_id=spec.deployment_id,
                instance_id=instance_id,
                folder=folder,
                image=image,
                given={**record.environment, **writable.volume_variables},
            ),
            working_directory=image.app,
            log=self._log(spec.namespace, spec.deployment_id, instance_id),
            stop_grace_seconds=effective_grace(
                spec.run.stop_seconds, record.app.settings.run.stop_seconds or 0, self._settings.stop_grace_seconds
            ),
            memory_bytes=spec.run.memory_mib << 20,
        )
        return HostedInstance(
            instance_id,
            ProcessRunner(folder, command, writable, self._ports),
            Record(folder / "history.json", HISTORY),
            make_check(
                spec.run.health_path or record.app.settings.run.health_path or "",
                self._settings.probe_seconds,
                spec.run.protocol,
            ),
            self._prober,
        )

    def _log(self, namespace: str, deployment_id: str, instance_id: str) -> Path:
        return self._folders.logs(namespace, deployment_id) / f"{instance_id}.log"


class DeploymentFolder:
    """Stores the record of one deployment in its folder."""

    def __init__(self, folder: Path, artifacts: Path, record: ProcessRecord) -> None:
        self._folder = folder
        self._artifacts = artifacts
        self._record = record

    async def want(self, wanted: Wanted) -> None:
        """Store the wanted state."""
        record = replace(self._record, wanted=wanted)
        try:
            await asyncio.to_thread(_record(self._folder).write, record)
        except OSError as error:
            deployment_id = self._record.spec.deployment_id
            raise Unavailable(f"deployment {deployment_id} could not be written down: {error}") from error

    async def provide(self, credential: HostCredential | None) -> None:
        """Raise PreconditionFailed if the image was removed by hand: krane keeps it as long as the deployment."""
        image = self._record.spec.image
        if artifact(self._artifacts, check_reference("artifact", image)).config is None:
            raise PreconditionFailed(f"{image} is not here: build it again")

    async def forget(self) -> None:
        """Remove the folder."""
        await asyncio.to_thread(remove_tree, self._folder)


class ProcessRunner:
    """The runs of one instance: supervised processes, one after the other, on the same port if it can be had."""

    def __init__(self, folder: Path, command: CommandSpec, image: WritableImage, ports: HeldPorts) -> None:
        self._process = SupervisedProcess(folder)
        self._command = command
        self._image = image
        self._ports = ports
        self._port: HeldPort | None = None

    @property
    def address(self) -> str:
        """The loopback port of the run."""
        port = self._port.number if self._port else self._process.port
        return f"{LOOPBACK}:{port}" if port else ""

    async def start(self) -> None:
        """Start a process under a shim."""
        command = await self._image.seen_by(self._command)
        port = self._held_port()
        port.open()
        await self._process.start(replace(command, port=port.number), port.lock.fileno())

    async def is_started(self) -> bool:
        """Return whether its shim is there."""
        return await self._process.is_started()

    async def is_frozen(self) -> bool:
        """Return whether its processes are stopped."""
        return await asyncio.to_thread(lambda: are_stopped(self._process.processes()))

    async def elsewhere(self) -> str:
        """Say where processes of the run listen."""
        expected = Expected(port=self._process.port, host=LOOPBACK, is_port_settable=False)
        return elsewhere(await asyncio.to_thread(self._listeners), expected)

    async def wait(self) -> Ending:
        """Wait for its end; nothing of it is left then."""
        ending = await self._process.wait()
        self._held_port().guard()
        return ending

    async def move(self) -> None:
        """Give the port up if a program that sets no option could not bind it."""
        port = self._held_port()
        port.open()
        if port.is_free:
            port.guard()
        else:
            self._let_port_go()
            self._held_port(wanted=0).guard()

    async def stop(self) -> None:
        """End its process tree."""
        await self._process.stop()
        self._let_port_go()

    async def forget(self) -> None:
        """Forget the ended run."""
        self._process.forget()
        self._let_port_go()

    def _listeners(self) -> list[Listener]:
        return listeners_of_processes(self._process.processes())

    def _held_port(self, wanted: int | None = None) -> HeldPort:
        if self._port is None:
            self._port = self._ports.hold(self._process.port if wanted is None else wanted)
        return self._port

    def _let_port_go(self) -> None:
        if self._port is not None:
            self._ports.release(self._port)
            self._port = None


def _record(folder: Path) -> Record[ProcessRecord]:
    return Record(folder / "deployment.json", DEPLOYMENT_RECORD)
