"""Tasks of the process backend. Each is a supervised process in its own view of the image, without a port."""

import asyncio
from collections.abc import Collection, Mapping
from functools import partial

from services.config import KraneSettings
from services.domain.errors import PreconditionFailed
from services.domain.volumes import parse_volumes
from services.krane.backends.hosted.tasks import MAX_GRACE_SECONDS, Prepared
from services.krane.backends.process.artifacts import artifact
from services.krane.backends.process.environment import instance_environment
from services.krane.backends.process.writable import WritableImage
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.backends.supervision.supervised import CommandSpec, SupervisedProcess
from services.krane.checks import check_reference
from services.krane.types import TaskSpec


class ProcessTasks:
    """The tasks of one data directory."""

    def __init__(self, folders: Folders, settings: KraneSettings, *, can_mount: bool) -> None:
        self._folders = folders
        self._can_mount = can_mount
        self._stop_grace_seconds = min(settings.stop_grace_seconds, MAX_GRACE_SECONDS)

    async def unrecorded(self, known: Collection[str]) -> list[TaskSpec]:
        """Return nothing: a task is recorded before anything of it exists."""
        return []

    def may_have_begun(self, spec: TaskSpec) -> bool:
        """Return whether its shim was ever requested."""
        return self._process(spec).may_have_begun

    async def prepare(self, spec: TaskSpec, environment: Mapping[str, str]) -> Prepared:
        """Find the image."""
        image = artifact(self._folders.artifacts, check_reference("artifact", spec.image))
        if image.config is None:
            raise PreconditionFailed(f"task {spec.task_id}: {spec.image} is not here: build it again")
        name = spec.log_name
        folder = self._folders.task_run(spec.task_id)
        writable = WritableImage(
            image=image,
            folder=folder,
            can_mount=self._can_mount,
            volumes=parse_volumes(spec.run.volumes),
            store=self._folders.volumes(spec.namespace, spec.volume_scope),
        )
        command = CommandSpec(
            arguments=spec.run.release_command,
            environment=instance_environment(
                deployment_id=spec.task_id,
                instance_id=name,
                folder=folder,
                image=image,
                given={**environment, **writable.volume_variables},
            ),
            working_directory=image.app,
            log=self._folders.logs(spec.namespace, spec.task_id) / f"{name}.log",
            stop_grace_seconds=self._stop_grace_seconds,
            memory_bytes=spec.run.memory_mib << 20,
        )
        process = self._process(spec)
        return Prepared(process, partial(process.start, await writable.seen_by(command)))

    def find(self, spec: TaskSpec) -> SupervisedProcess:
        """Return the run in the task's folder."""
        return self._process(spec)

    async def clear(self, namespace: str, task_id: str) -> None:
        """Remove the folder of the run, which holds its environment."""
        await asyncio.to_thread(remove_tree, self._folders.task_run(task_id))

    def _process(self, spec: TaskSpec) -> SupervisedProcess:
        return SupervisedProcess(self._folders.task_run(spec.task_id))
