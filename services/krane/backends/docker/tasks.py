"""Tasks of the docker backend. Each is a container, which is removed once the task's end is recorded.

The container is created before the task is recorded, and started after it. So a recorded task may have begun, and one
without a record has not, unless krane's folder was emptied; then the container's label tells the task.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated

from pydantic import TypeAdapter, ValidationError

from services.config import KraneSettings
from services.krane.backends.docker.archived_logs import ArchivedLogs
from services.krane.backends.docker.containers import (
    NAMESPACE,
    RECORD,
    TASK_ID,
    Containers,
    Mark,
    environment_of,
    limits,
)
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import find_image
from services.krane.backends.docker.lifetime import Lifetime, own_ending, signed, undisturbed
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.hosted.tasks import MAX_GRACE_SECONDS, Prepared
from services.krane.backends.shared.records import FOLDED
from services.krane.backends.supervision.ending import Ending
from services.krane.types import TaskSpec
from services.telemetry import get_logger

log = get_logger(__name__)

SPEC: TypeAdapter[TaskSpec] = TypeAdapter(Annotated[TaskSpec, FOLDED])


class DockerTasks:
    """The tasks of one installation on an engine."""

    def __init__(
        self,
        engine: Engine,
        containers: Containers,
        archived_logs: ArchivedLogs,
        watcher: Watcher,
        settings: KraneSettings,
    ) -> None:
        self._engine = engine
        self._containers = containers
        self._archived_logs = archived_logs
        self._watcher = watcher
        self._stop_grace_seconds = min(settings.stop_grace_seconds, MAX_GRACE_SECONDS)

    async def unrecorded(self, known: Collection[str]) -> list[TaskSpec]:
        """Return the tasks of unknown containers that have run. A container that never ran is removed."""
        specs: list[TaskSpec] = []
        for container in await self._containers.of_tasks():
            if container.labels[TASK_ID] in known:
                continue
            if container.state == "created":
                await self._engine.remove_container(container.id)
                continue
            try:
                specs.append(SPEC.validate_json(container.labels.get(RECORD, "")))
            except ValidationError:
                log.exception("task container cannot be read", container_id=container.id)
        return specs

    def may_have_begun(self, spec: TaskSpec) -> bool:
        """Return True: its container existed before the record."""
        return True

    async def prepare(self, spec: TaskSpec, environment: Mapping[str, str]) -> Prepared:
        """Create the container."""
        image = await find_image(self._engine, spec.image, command=spec.run.release_command)
        name = spec.log_name
        await self._archived_logs.begin(spec.namespace, spec.task_id, name)
        container = await self._containers.create_labelled(
            {
                **self._containers.labels_of(spec.namespace, spec.task_id, name),
                TASK_ID: spec.task_id,
                RECORD: SPEC.dump_json(spec).decode(),
            },
            SPEC,
            {
                "Image": image.id,
                "Cmd": list(spec.run.release_command),
                "Env": environment_of(environment, spec, name),
                "HostConfig": {
                    **limits(memory_mib=spec.run.memory_mib, cpu_millicores=spec.run.cpu_millicores),
                    "Mounts": self._containers.mounts(spec),
                },
            },
        )
        begin = partial(self._engine.start_container, container.id)
        return Prepared(self.find(spec), lambda: undisturbed(begin()))

    def find(self, spec: TaskSpec) -> "TaskContainer":
        """Return the run in the task's container."""
        name = spec.log_name
        return TaskContainer(Lifetime(self._containers, self._watcher, name, self._stop_grace_seconds), spec)

    async def clear(self, namespace: str, task_id: str) -> None:
        """Keep the log of the container, and remove the container."""
        for container in await self._containers.of_tasks():
            if (container.labels[NAMESPACE], container.labels[TASK_ID]) == (namespace, task_id):
                await self._archived_logs.remove_container(container)


class TaskContainer:
    """The only run of a container."""

    def __init__(self, lifetime: Lifetime, spec: TaskSpec) -> None:
        self._lifetime = lifetime
        self._spec = spec

    async def wait(self) -> Ending:
        """Wait until the container has ended."""
        container, is_seen = await self._lifetime.end()
        if container is None:
            return Ending(exit_code=None, was_stopped=False, cause="its container was removed")
        if not container.has_ended:
            return Ending(exit_code=None, was_stopped=False, cause="its container was not started")
        if container.mark is Mark.HALTED:
            return Ending(exit_code=signed(container.exit_code), was_stopped=True)
        return own_ending(container, self._spec.run.memory_mib, is_seen=is_seen)

    async def stop(self) -> None:
        """Stop the container: SIGTERM, then SIGKILL after the grace period."""
        await self._lifetime.halt()
