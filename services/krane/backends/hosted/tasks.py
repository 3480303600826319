"""All tasks: start, get, list, cancel, delete.

A task is recorded before it is started, and a recorded task is never started again. The next krane takes over a run
that goes on, or reads how it ended. If nobody knows how a run ended, the task has failed. Environments are not recorded
here: the run holds them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from services.domain.errors import Conflict, NotFound, Refusal, Unavailable
from services.domain.ids import check_id
from services.domain.variables import check_variables
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.hosted.runner import CommandRun
from services.krane.backends.hosted.task import TASK_RECORD, HostedTask, TaskRecord
from services.krane.backends.shared.files import Record, remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.operations import BackgroundOperations
from services.krane.checks import check_task
from services.krane.types import TaskName, TaskSpec, TaskState, TaskStatus
from services.telemetry import get_logger

log = get_logger(__name__)

MAX_ANSWER_BYTES = 3 * 1024 * 1024
# Grace period of a release command, whatever instances get: a cancel has to be clean within 5 s.
MAX_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is ready to start."""

    run: CommandRun
    # Call it once. Raises a Refusal if the run cannot start, Unavailable if it may have started.
    begin: Callable[[], Awaitable[object]]


class TaskDriver(Protocol):
    """Runs the tasks of one backend. Callers pass checked ids."""

    async def unrecorded(self, known: Collection[str]) -> list[TaskSpec]:
        """Return the runs that an earlier krane started and that are not among the known tasks."""
        ...

    def may_have_begun(self, spec: TaskSpec) -> bool:
        """Return whether a recorded task may have been started, if nothing else is known of it."""
        ...

    async def prepare(self, spec: TaskSpec, environment: Mapping[str, str]) -> Prepared:
        """Do everything that comes before the start of the run. The environment may be secret.

        Raises Invalid or PreconditionFailed if the image cannot run, Unavailable if that is unknown now.
        """
        ...

    def find(self, spec: TaskSpec) -> CommandRun:
        """Return the run that an earlier krane started."""
        ...

    async def clear(self, namespace: str, task_id: str) -> None:
        """Remove what is left of a run, except its log. Succeeds if nothing is left. Raises Unavailable."""
        ...


class HostedTasks:
    """Implements `TaskBackend`."""

    def __init__(self, folders: Folders, task_driver: TaskDriver, driver: Driver) -> None:
        self._folders = folders
        self._task_driver = task_driver
        self._driver = driver
        self._locks = Locks()
        self._tasks: dict[str, HostedTask] = {}
        self._operations = BackgroundOperations()
        # Tasks that are being cancelled or deleted. A start that is still preparing checks this.
        self._unwanted: set[TaskName] = set()

    async def open(self) -> None:
        """Take over the tasks of an earlier krane."""
        # Folders of tasks may hold secrets.
        self._folders.tasks.mkdir(mode=0o700, parents=True, exist_ok=True)
        records = self._recorded()
        for spec in await self._task_driver.unrecorded({record.spec.task_id for record in records}):
            record = TaskRecord(spec=spec)
            self._file(spec.task_id).write(record)
            records.append(record)
        for record in records:
            self._add(record, self._task_driver.find(record.spec)).keep()

    async def close(self) -> None:
        """Leave every run alone."""
        await self._operations.close()
        await asyncio.gather(*(task.release() for task in self._tasks.values()))

    async def start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        check_task(spec)
        check_variables(environment)
        await self._operations.finish(self._start(spec, environment))

    async def get(self, namespace: str, task_id: str, tail_lines: int) -> TaskState:
        task = self._find(namespace, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id} in {namespace}: start it first")
        # Read before the log, so that the log of an ended task is complete.
        state = task.state
        lines = await self._driver.tail(namespace, task_id, task.spec.log_name, tail_lines, MAX_ANSWER_BYTES)
        return replace(state, log_lines=tuple(lines))

    async def names(self) -> list[TaskName]:
        specs = [task.spec for _, task in sorted(self._tasks.items())]
        return [TaskName(namespace=spec.namespace, task_id=spec.task_id) for spec in specs]

    def images(self) -> set[str]:
        """Return the images that tasks run."""
        return {task.spec.image for task in self._tasks.values() if task.is_running}

    def running(self) -> dict[str, TaskSpec]:
        """Return the tasks that have not ended, by id."""
        return {id: task.spec for id, task in self._tasks.items() if task.is_running}

    def may_log(self, namespace: str, task_id: str, log_name: str) -> bool:
        """Return whether a task runs that writes to this log."""
        task = self._find(namespace, task_id)
        return task is not None and task.is_running and task.spec.log_name == log_name

    async def cancel(self, namespace: str, task_id: str) -> None:
        self._find(namespace, task_id)
        await self._operations.finish(self._cancel(namespace, task_id))

    async def delete(self, namespace: str, task_id: str) -> None:
        self._find(namespace, task_id)
        await self._operations.finish(self._delete(namespace, task_id))

    async def _start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        async with self._locks.of(spec.task_id):
            known = self._tasks.get(spec.task_id)
            if known is None:
                await self._begin(spec, environment)
            elif known.spec != spec:
                raise Conflict(f"task {spec.task_id} exists and runs something else: use another id")

    async def _begin(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        prepared = await self._task_driver.prepare(spec, environment)
        if TaskName(namespace=spec.namespace, task_id=spec.task_id) in self._unwanted:
            raise Conflict(f"task {spec.task_id} was cancelled before it began")
        record = TaskRecord(spec=spec)
        try:
            self._file(spec.task_id).write(record)
        except OSError as error:
            raise Unavailable(f"task {spec.task_id} could not be written down: {error}") from error
        task = self._add(record, prepared.run)
        refusal = ""
        try:
            await prepared.begin()
            log.info("task started", task_id=spec.task_id)
        except Refusal as error:
            refusal = error.message
        except Unavailable as error:
            # The run may have started all the same, and is never started again: its end will tell.
            log.warning("task may not have started", task_id=spec.task_id, reason=error.message)
        task.keep(refusal=refusal)

    async def _cancel(self, namespace: str, task_id: str) -> None:
        async with self._ending(namespace, task_id) as task:
            if task is not None:
                await task.cancel()

    async def _delete(self, namespace: str, task_id: str) -> None:
        async with self._ending(namespace, task_id) as task:
            if task is not None:
                await task.cancel()
                await asyncio.to_thread(remove_tree, self._folders.tasks / task_id)
                del self._tasks[task_id]
                log.info("task deleted", task_id=task_id)

    @asynccontextmanager
    async def _ending(self, namespace: str, task_id: str) -> AsyncGenerator[HostedTask | None]:
        """Hold the lock of a task that is to end. Yields None if it is unknown; then nothing of it is left either."""
        name = TaskName(namespace=namespace, task_id=task_id)
        self._unwanted.add(name)
        try:
            async with self._locks.of(task_id):
                if task_id not in self._tasks:
                    # Remains of a start whose answer was lost, or that came too late.
                    await self._task_driver.clear(namespace, task_id)
                yield self._find(namespace, task_id)
        finally:
            self._unwanted.discard(name)

    def _recorded(self) -> list[TaskRecord]:
        records: list[TaskRecord] = []
        for folder in sorted(self._folders.tasks.iterdir()):
            record = self._file(folder.name).read()
            if record is not None and self._is_kept(record):
                records.append(record)
            else:
                remove_tree(folder)
        return records

    def _is_kept(self, record: TaskRecord) -> bool:
        return record.status is not TaskStatus.RUNNING or self._task_driver.may_have_begun(record.spec)

    def _add(self, record: TaskRecord, run: CommandRun) -> HostedTask:
        spec = record.spec
        clear = partial(self._task_driver.clear, spec.namespace, spec.task_id)
        task = self._tasks[spec.task_id] = HostedTask(record, self._file(spec.task_id), run, clear)
        return task

    def _find(self, namespace: str, task_id: str) -> HostedTask | None:
        check_id("namespace", namespace)
        task = self._tasks.get(check_id("task_id", task_id))
        return task if task is not None and task.spec.namespace == namespace else None

    def _file(self, task_id: str) -> Record[TaskRecord]:
        return Record(self._folders.tasks / task_id / "task.json", TASK_RECORD)
