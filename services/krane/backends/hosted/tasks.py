"""All tasks: start, get, list, cancel, delete.

A task is written down before it is begun, and what is written down is never begun again: a krane that comes after a
killed one takes over a run that goes on, and reads how it ended when it did. One of which nobody knows how it ended has
failed. Environments are not written down here: they go with the run.
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
from services.krane.types import TaskName, TaskSpec, TaskState, TaskStatus, task_log_name
from services.telemetry import get_logger

log = get_logger(__name__)

MAX_ANSWER_BYTES = 3 * 1024 * 1024
# A release command that is asked to end has so long, however long instances have: a cancel is to be clean within 5 s.
MAX_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is about to be begun."""

    run: CommandRun
    # To be called once. Raises a Refusal when it cannot be begun, Unavailable when it may have been.
    begin: Callable[[], Awaitable[object]]


class TaskDriver(Protocol):
    """How one backend runs tasks. The ids it is given were checked."""

    async def unrecorded(self, known: Collection[str]) -> list[TaskSpec]:
        """The runs that an earlier krane began and that are not among the known tasks."""
        ...

    def may_have_begun(self, spec: TaskSpec) -> bool:
        """Whether a task that is written down, and of which nothing else is known, may have been begun."""
        ...

    async def prepare(self, spec: TaskSpec, environment: Mapping[str, str]) -> Prepared:
        """Do what can be done before the run is begun. Its environment may be secret.

        Raises Invalid or PreconditionFailed when its image cannot be run, Unavailable when that cannot be said now.
        """
        ...

    def find(self, spec: TaskSpec) -> CommandRun:
        """The run that an earlier krane began."""
        ...

    async def clear(self, namespace: str, task_id: str) -> None:
        """Remove what is left of a run, except for its log. Succeeds when nothing is; raises Unavailable."""
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
        # The tasks that are to end, while a start of them may still look for its image.
        self._unwanted: set[TaskName] = set()

    async def open(self) -> None:
        """Take over what an earlier krane left."""
        # What is below may hold secrets.
        self._folders.tasks.mkdir(mode=0o700, parents=True, exist_ok=True)
        records = self._recorded()
        for spec in await self._task_driver.unrecorded({record.spec.task_id for record in records}):
            record = TaskRecord(spec=spec)
            self._file(spec.task_id).write(record)
            records.append(record)
        for record in records:
            self._add(record, self._task_driver.find(record.spec)).keep()

    async def close(self) -> None:
        """Leave every run as it is."""
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
        # Asked first: the log of one that is over is whole.
        state = task.state
        name = task_log_name(task_id)
        lines = await self._driver.tail(namespace, task_id, name, tail_lines, MAX_ANSWER_BYTES)
        return replace(state, log_lines=tuple(lines))

    async def names(self) -> list[TaskName]:
        specs = [task.spec for _, task in sorted(self._tasks.items())]
        return [TaskName(namespace=spec.namespace, task_id=spec.task_id) for spec in specs]

    def images(self) -> set[str]:
        """The images that tasks run."""
        return {task.spec.image for task in self._tasks.values() if task.is_running}

    def is_running(self, namespace: str, task_id: str) -> bool:
        """Whether a task runs, so that its log may grow."""
        task = self._find(namespace, task_id)
        return task is not None and task.is_running

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
            # It may have begun all the same, and is not begun again: waiting for its end tells.
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
        """A task that is to end, in its turn; None when it is not known, and then nothing of it is left either."""
        name = TaskName(namespace=namespace, task_id=task_id)
        self._unwanted.add(name)
        try:
            async with self._locks.of(task_id):
                if task_id not in self._tasks:
                    # What a start left whose answer was lost, or that came too late.
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
