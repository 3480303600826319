"""All deployments: create, get, list, stop, start, delete, logs.

Calls on one id follow one another. What a call began is finished even when its caller goes away, and what a killed
krane left half-done the next krane finishes: a deployment whose record says deleted is deleted, one that is wanted
running is taken over or started.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from services.config import KraneSettings
from services.domain.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from services.krane.backends.process.artifacts import artifact
from services.krane.backends.process.deployment import DEPLOYMENT_RECORD, Deployment, DeploymentRecord, Wanted
from services.krane.backends.process.environment import instance_environment
from services.krane.backends.process.files import Record, remove_tree
from services.krane.backends.process.folders import Folders
from services.krane.backends.process.instance import Instance
from services.krane.backends.process.locks import Locks
from services.krane.backends.process.logs import tail
from services.krane.backends.process.ports import Ports
from services.krane.backends.process.probe import Prober
from services.krane.backends.process.start_command import AppConfig
from services.krane.backends.process.supervised import CommandSpec
from services.krane.checks import check_id, check_instance_id, check_reference, check_spec
from services.krane.types import DeploymentSpec, DeploymentState, DeploymentStatus, HealthCheck, LogLine
from services.telemetry import get_logger

log = get_logger(__name__)

T = TypeVar("T")

DEFAULT_INTERVAL_MS = 500
DEFAULT_TIMEOUT_MS = 2000
SETTLE_SECONDS = 2.0
# All lines of one answer together; gRPC takes messages of 4 MiB.
MAX_ANSWER_BYTES = 3 * 1024 * 1024


class Deployments:
    """The deployments of one installation."""

    def __init__(self, folders: Folders, settings: KraneSettings) -> None:
        self._folders = folders
        self._settings = settings
        self._prober = Prober()
        self._ports = Ports()
        self._locks = Locks()
        self._deployments: dict[str, Deployment] = {}
        self._operations: set[asyncio.Task[object]] = set()

    async def open(self) -> None:
        """Take over what an earlier krane left."""
        self._folders.deployments.mkdir(parents=True, exist_ok=True)
        for folder in sorted(self._folders.deployments.iterdir()):
            record = self._record(folder.name).read()
            if record is None:
                remove_tree(folder)
            else:
                self._take_over(record)
        await self._settle()

    async def close(self) -> None:
        """Leave every instance as it is."""
        for operation in self._operations:
            operation.cancel()
        await asyncio.gather(*self._operations, return_exceptions=True)
        await asyncio.gather(*(deployment.release() for deployment in self._deployments.values()))
        await self._prober.close()

    async def create(self, spec: DeploymentSpec) -> DeploymentStatus:
        """Start what the spec says, or find it started.

        Raises Invalid, Conflict (something else has the id) or PreconditionFailed (the image is not here).
        """
        check_spec(spec)
        return await self._finish(self._create(spec))

    def get(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is. Raises NotFound."""
        return self._find(namespace, deployment_id).state

    async def probe(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is, with its instances asked at this moment. Raises NotFound."""
        return await self._find(namespace, deployment_id).probe()

    def in_namespace(self, namespace: str) -> list[DeploymentState]:
        """All deployments of a namespace, or of all namespaces when it is empty, by id."""
        states = [deployment.state for _, deployment in sorted(self._deployments.items())]
        return [state for state in states if namespace in ("", state.namespace)]

    def images(self) -> set[str]:
        """The images that deployments run or can be started again from."""
        return {deployment.spec.image for deployment in self._deployments.values()}

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """End the instances and keep what is needed to start them again. Raises NotFound."""
        await self._finish(self._stop(namespace, deployment_id))

    async def start(self, namespace: str, deployment_id: str) -> None:
        """Start what is stopped or failed; what runs is left as it is. Raises NotFound."""
        await self._finish(self._start(namespace, deployment_id))

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """End the instances and forget the deployment, except for its logs. Succeeds when it is gone."""
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        await self._finish(self._delete(namespace, deployment_id))

    def logs(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        """The newest lines of one instance, or of each when it is empty; also after a delete. Raises NotFound."""
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        folder = self._folders.logs(namespace, deployment_id)
        names = [check_instance_id(deployment_id, instance_id)] if instance_id else _logged_instances(folder)
        if not folder.is_dir():
            self._find(namespace, deployment_id)
        return [
            LogLine(instance_id=name, text=text)
            for name in names
            for text in tail(folder / f"{name}.log", lines, MAX_ANSWER_BYTES // len(names))
        ]

    async def _create(self, spec: DeploymentSpec) -> DeploymentStatus:
        async with self._locks.of(spec.deployment_id):
            known = self._deployments.get(spec.deployment_id)
            if known is None:
                known = await self._begin(spec)
            elif known.spec != spec:
                raise Conflict(f"deployment {spec.deployment_id} exists and runs something else: use another id")
            return known.state.status

    async def _begin(self, spec: DeploymentSpec) -> Deployment:
        app = artifact(self._folders.artifacts, check_reference("artifact", spec.image)).config
        if app is None:
            raise PreconditionFailed(f"deployment {spec.deployment_id}: {spec.image} is not here: build it again")
        deployment = self._build(DeploymentRecord(spec=spec, app=app, wanted=Wanted.RUNNING))
        self._deployments[spec.deployment_id] = deployment
        try:
            await deployment.start()
        except OSError as error:
            # Nothing is started before the record is written.
            del self._deployments[spec.deployment_id]
            raise Unavailable(f"deployment {spec.deployment_id} could not be written down: {error}") from error
        log.info("deployment created", deployment_id=spec.deployment_id, replicas=spec.replicas)
        return deployment

    async def _stop(self, namespace: str, deployment_id: str) -> None:
        async with self._locks.of(deployment_id):
            await self._find(namespace, deployment_id).stop(Wanted.STOPPED)
            log.info("deployment stopped", deployment_id=deployment_id)

    async def _start(self, namespace: str, deployment_id: str) -> None:
        async with self._locks.of(deployment_id):
            await self._find(namespace, deployment_id).start()
            log.info("deployment started", deployment_id=deployment_id)

    async def _delete(self, namespace: str, deployment_id: str) -> None:
        async with self._locks.of(deployment_id):
            known = self._deployments.get(deployment_id)
            if known is None or known.spec.namespace != namespace:
                return
            await known.stop(Wanted.DELETED)
            await asyncio.to_thread(remove_tree, self._folders.deployments / deployment_id)
            del self._deployments[deployment_id]
            log.info("deployment deleted", deployment_id=deployment_id)

    def _take_over(self, record: DeploymentRecord) -> None:
        spec = record.spec
        deployment = self._deployments[spec.deployment_id] = self._build(record)
        match record.wanted:
            case Wanted.RUNNING:
                deployment.adopt()
            case Wanted.STOPPED:
                self._spawn(self._stop(spec.namespace, spec.deployment_id))
            case Wanted.DELETED:
                self._spawn(self._delete(spec.namespace, spec.deployment_id))

    async def _settle(self) -> None:
        """Probe what was taken over before anybody is told how it is: it may have been healthy all along."""
        adopted = [one.settle() for one in self._deployments.values() if one.wanted is Wanted.RUNNING]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await asyncio.gather(*adopted)

    def _build(self, record: DeploymentRecord) -> Deployment:
        instances = [self._instance(record, index) for index in range(record.spec.replicas)]
        return Deployment(record, self._record(record.spec.deployment_id), instances)

    def _instance(self, record: DeploymentRecord, index: int) -> Instance:
        spec = record.spec
        image = artifact(self._folders.artifacts, check_reference("artifact", spec.image))
        instance_id = f"{spec.deployment_id}-{index}"
        folder = self._folders.instance(spec.deployment_id, index)
        command = CommandSpec(
            arguments=record.app.command,
            environment=instance_environment(
                deployment_id=spec.deployment_id, instance_id=instance_id, folder=folder, venv=image.venv
            ),
            working_directory=image.app,
            log=self._folders.logs(spec.namespace, spec.deployment_id) / f"{instance_id}.log",
            stop_grace_seconds=self._settings.stop_grace_seconds,
            memory_bytes=spec.memory_mib << 20,
        )
        check = _effective(spec.health_check, record.app)
        return Instance(instance_id, folder, command, check, self._prober, self._ports)

    def _find(self, namespace: str, deployment_id: str) -> Deployment:
        check_id("namespace", namespace)
        deployment = self._deployments.get(check_id("deployment_id", deployment_id))
        if deployment is None or deployment.spec.namespace != namespace:
            raise NotFound(f"there is no deployment {deployment_id} in {namespace}: create it first")
        return deployment

    def _record(self, deployment_id: str) -> Record[DeploymentRecord]:
        return Record(self._folders.deployments / deployment_id / "deployment.json", DEPLOYMENT_RECORD)

    async def _finish(self, operation: Coroutine[object, object, T]) -> T:
        """Await an operation that goes on when the caller stops waiting."""
        return await asyncio.shield(self._spawn(operation))

    def _spawn(self, operation: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(operation)
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        return task


def _effective(asked: HealthCheck, app: AppConfig) -> HealthCheck:
    return HealthCheck(
        path=asked.path or app.health_path,
        interval_ms=asked.interval_ms or DEFAULT_INTERVAL_MS,
        timeout_ms=asked.timeout_ms or DEFAULT_TIMEOUT_MS,
    )


def _logged_instances(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.log"))
