"""Deployments of the docker backend. Each is a group of containers with its record in their labels."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace

from services.config import KraneSettings
from services.domain.errors import Conflict, PreconditionFailed
from services.krane.backends.building.app_config import with_port
from services.krane.backends.docker.archived_logs import ArchivedLogs
from services.krane.backends.docker.containers import (
    DEPLOYMENT_ID,
    INSTANCE_ID,
    ContainerRecord,
    Containers,
    Mark,
    mark_of,
    read_record,
)
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import RunnableImage, find_image, resolve_image
from services.krane.backends.docker.log_reader import LogReader
from services.krane.backends.docker.probe import PublishedPortProber
from services.krane.backends.docker.pulls import Pulls
from services.krane.backends.docker.runner import ContainerRunner
from services.krane.backends.docker.shapes import ContainerSummary
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.hosted.deployment import HostedDeployment, Wanted
from services.krane.backends.hosted.grace import effective_grace
from services.krane.backends.hosted.health import make_check
from services.krane.backends.hosted.instance import HISTORY, HostedInstance
from services.krane.backends.shared.files import Record, remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_lines import Place
from services.krane.types import DeploymentSpec, FollowedLine, HostCredential, LogQuery

WANTED = {Mark.STOPPED: Wanted.STOPPED, Mark.DELETED: Wanted.DELETED}
MARKS = {Wanted.STOPPED: Mark.STOPPED, Wanted.DELETED: Mark.DELETED}


class DockerDriver:
    """The deployments of one installation on an engine."""

    def __init__(
        self,
        *,
        engine: Engine,
        containers: Containers,
        archived_logs: ArchivedLogs,
        watcher: Watcher,
        folders: Folders,
        settings: KraneSettings,
    ) -> None:
        self._engine = engine
        self._containers = containers
        self._watcher = watcher
        self._folders = folders
        self._settings = settings
        self._archived_logs = archived_logs
        self._log_reader = LogReader(engine, containers, archived_logs)
        self._prober = PublishedPortProber()
        self._pulls = Pulls(engine)

    async def recorded(self) -> list[HostedDeployment]:
        """Return every deployment with a container. Marks tell which creations and deletions are unfinished."""
        groups: defaultdict[str, list[ContainerSummary]] = defaultdict(list)
        for container in await self._containers.of_instances():
            groups[container.labels[DEPLOYMENT_ID]].append(container)
        records = [(read_record(group), group) for _, group in sorted(groups.items())]
        return [self._deployment(record, _wanted(group)) for record, group in records if record is not None]

    async def resolve(self, image: str, credential: HostCredential | None) -> str:
        """Return the reference that the engine or the registry gives for an image."""
        return await resolve_image(self._engine, image, credential)

    async def pull(self, image: str, credential: HostCredential | None) -> bool:
        """Return whether the engine has an image; if not, it pulls it."""
        return await self._pulls.is_here(image, credential)

    async def plan(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> HostedDeployment:
        """Return a deployment of an image that the engine has or can pull."""
        image = await find_image(self._engine, spec.image, credential, command=spec.run.command)
        record = make_record(spec, image)
        # Left by a creation whose answer was lost. The same creation is finished.
        leftover = await self._containers.of_deployment(spec.namespace, spec.deployment_id)
        if leftover and read_record(leftover) != record:
            raise Conflict(f"an unfinished deployment {spec.deployment_id} runs something else: delete it first")
        await self._containers.environments.keep(spec, environment)
        return self._deployment(record, Wanted.RUNNING)

    async def sweep(self, namespace: str, deployment_id: str) -> None:
        """Remove what is left of a creation whose answer was lost."""
        for container in await self._containers.of_deployment(namespace, deployment_id):
            await self._engine.remove_container(container.id)
        await asyncio.to_thread(remove_tree, self._folders.deployments / deployment_id)

    def logged(self, namespace: str, deployment_id: str) -> list[str]:
        """Return the instances whose logs outlived their containers."""
        return self._archived_logs.kept(namespace, deployment_id)

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """Return the newest log lines of one instance."""
        return await self._archived_logs.tail(namespace, deployment_id, instance_id, lines, max_bytes)

    def follow_log(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """Yield new lines in the logs of one instance's containers."""
        return self._log_reader.follow(query, instance_id, place, is_over)

    async def close(self) -> None:
        """Close clients and connections."""
        await self._pulls.close()
        await self._prober.close()

    def _deployment(self, record: ContainerRecord, wanted: Wanted) -> HostedDeployment:
        store = ContainerStore(self._engine, self._containers, self._archived_logs, self._folders, record)
        instances = [self._instance(record, index) for index in range(record.spec.run.replicas)]
        return HostedDeployment(record.spec, wanted, store, instances)

    def _instance(self, record: ContainerRecord, index: int) -> HostedInstance:
        runner = ContainerRunner(
            engine=self._engine,
            containers=self._containers,
            archived_logs=self._archived_logs,
            watcher=self._watcher,
            prober=self._prober,
            record=record,
            index=index,
            stop_grace_seconds=grace_of(record, self._settings),
        )
        history = Record(self._folders.instance(record.spec.deployment_id, index) / "history.json", HISTORY)
        path = record.spec.run.health_path or record.of_image.health_path or ""
        check = make_check(path, self._settings.probe_seconds, record.spec.run.protocol)
        return HostedInstance(record.instance_id(index), runner, history, check, self._prober)


def make_record(spec: DeploymentSpec, image: RunnableImage) -> ContainerRecord:
    """Return the record of a deployment of an image."""
    port = spec.run.port or image.port
    return ContainerRecord(
        spec=spec,
        image_id=image.id,
        container_port=port,
        # The image's own command names the port that it was built for.
        of_image=replace(image.app.settings.run, command=tuple(with_port(image.app.command, str(port)))),
    )


def grace_of(record: ContainerRecord, settings: KraneSettings) -> float:
    """Return the grace period of its instances, in seconds."""
    return effective_grace(record.spec.run.stop_seconds, record.of_image.stop_seconds or 0, settings.stop_grace_seconds)


class ContainerStore:
    """Stores one deployment: its wanted state is the mark of its first container."""

    def __init__(
        self,
        engine: Engine,
        containers: Containers,
        archived_logs: ArchivedLogs,
        folders: Folders,
        record: ContainerRecord,
    ) -> None:
        self._engine = engine
        self._containers = containers
        self._archived_logs = archived_logs
        self._folders = folders
        self._record = record

    async def want(self, wanted: Wanted) -> None:
        """Mark the first container, and create it if it does not exist."""
        instance_id = self._record.instance_id(0)
        async with self._containers.changing(instance_id):
            container = await self._containers.find(instance_id)
            if container is None:
                # It only carries the mark: without its image it cannot be made, and the others still have to end.
                with contextlib.suppress(*(PreconditionFailed,) if wanted in MARKS else ()):
                    await self._containers.create(self._record, 0, MARKS.get(wanted, Mark.NONE))
            elif wanted in MARKS:
                await self._containers.mark(container, instance_id, MARKS[wanted])
            elif container.mark in WANTED:
                await self._containers.mark(container, instance_id, Mark.HALTED)

    async def provide(self, credential: HostCredential | None) -> None:
        """Pull the image again if a container is missing and the engine no longer has the image."""
        record, spec = self._record, self._record.spec
        found = await self._containers.of_deployment(spec.namespace, spec.deployment_id)
        if len({container.labels[INSTANCE_ID] for container in found}) == spec.run.replicas:
            return
        if await self._engine.inspect_image(record.image_id) is None:
            image = await find_image(self._engine, spec.image, credential, command=spec.run.command)
            if image.id != record.image_id:
                raise PreconditionFailed(f"the name {spec.image} now means another image: create a new deployment")

    async def forget(self) -> None:
        """Remove the containers, the first one last: until then its mark says that the deployment is being deleted."""
        spec = self._record.spec
        for container in await self._containers.of_deployment(spec.namespace, spec.deployment_id):
            await self._archived_logs.remove_container(container)
        await asyncio.to_thread(remove_tree, self._folders.deployments / spec.deployment_id)


def _wanted(containers: list[ContainerSummary]) -> Wanted:
    firsts = [one for one in containers if one.labels[INSTANCE_ID] == f"{one.labels[DEPLOYMENT_ID]}-0"]
    # If there is no first container, somebody removed it by hand: a deletion removes it last.
    marks = [mark_of(first.names) for first in firsts]
    return next((WANTED[mark] for mark in marks if mark in WANTED), Wanted.RUNNING)
