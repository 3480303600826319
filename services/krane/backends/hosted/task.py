"""A task: one command that runs once. The backend's `TaskDriver` runs it.

    RUNNING ──ended with 0──> SUCCEEDED
       ├──ended otherwise, took too long, was lost──> FAILED
       └──stopped──> CANCELLED

A keeper task waits for the end of the run, records it, and then removes the run's remains. Until then the task counts
as running, so after its reported end only the complete log is left. `release` ends only the keeper; the keeper of the
next krane takes the run over. Nothing in this module starts a run.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import TypeAdapter

from services.domain.errors import Unavailable
from services.krane.backends.hosted.runner import CommandRun
from services.krane.backends.shared.files import Record
from services.krane.backends.shared.operations import until_done
from services.krane.backends.shared.records import FOLDED
from services.krane.backends.supervision.ending import Ending
from services.krane.types import TaskSpec, TaskState, TaskStatus
from services.telemetry import get_logger

log = get_logger(__name__)

INTERRUPTED = "it was interrupted: {why}; look at what it did, then deploy again"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """The stored record of a task."""

    spec: TaskSpec
    status: TaskStatus = TaskStatus.RUNNING
    exit_code: int | None = None
    reason: str = ""


TASK_RECORD: TypeAdapter[TaskRecord] = TypeAdapter(Annotated[TaskRecord, FOLDED])


class HostedTask:
    """A run that has been or is being started, and its outcome."""

    def __init__(
        self, record: TaskRecord, file: Record[TaskRecord], run: CommandRun, clear: Callable[[], Awaitable[None]]
    ) -> None:
        self._record = record
        self._file = file
        self._run = run
        self._clear = clear
        self._keeper: asyncio.Task[None] | None = None
        self._refusal = ""
        self._is_over = False

    @property
    def spec(self) -> TaskSpec:
        """The spec of the task."""
        return self._record.spec

    @property
    def is_running(self) -> bool:
        """Whether something of the run may be left."""
        return not self._is_over

    @property
    def state(self) -> TaskState:
        """The state, without the log."""
        if self.is_running:
            return TaskState(status=TaskStatus.RUNNING)
        record = self._record
        return TaskState(status=record.status, exit_code=record.exit_code, reason=record.reason)

    def keep(self, *, refusal: str = "") -> None:
        """Supervise it from now on. `refusal` says why its run was not started; empty: it was, or may have been."""
        self._refusal = refusal
        self._keeper = asyncio.create_task(self._keep(), name=f"keep task {self.spec.task_id}")

    async def release(self) -> None:
        """Stop supervising it, and leave its run alone."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def cancel(self) -> None:
        """End the run and everything it started; returns when it has ended. Raises Unavailable."""
        if self._keeper is not None and self.is_running:
            await self._run.stop()
            await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.spec.timeout_seconds
        try:
            await until_done(lambda: self._finish(deadline))
        # Any exception: a task without a keeper must not be reported as running.
        except Exception as error:
            reason = f"krane could not supervise it: {error}"
            self._record = replace(self._record, status=TaskStatus.FAILED, reason=reason)
            log.exception("task could not be kept", task_id=self.spec.task_id)
        self._is_over = True
        record = self._record
        log.info("task ended", task_id=self.spec.task_id, status=record.status, reason=record.reason)

    async def _finish(self, deadline: float) -> None:
        """Wait for the end, record it, and remove the remains. Safe to repeat."""
        if self._record.status is TaskStatus.RUNNING:
            self._write(await self._outcome(deadline))
        await self._clear()

    async def _outcome(self, deadline: float) -> TaskRecord:
        if self._refusal:
            return replace(self._record, status=TaskStatus.FAILED, reason=f"it cannot be run: {self._refusal}")
        try:
            async with asyncio.timeout_at(deadline):
                return self._judged(await self._run.wait())
        except TimeoutError:
            await self._run.stop()
        ending = await self._run.wait()
        if ending.is_own:
            return self._judged(ending)
        reason = f"it took longer than {self.spec.timeout_seconds:g} s and was stopped"
        return self._ended(TaskStatus.FAILED, ending, reason)

    def _judged(self, ending: Ending) -> TaskRecord:
        if ending.is_own and ending.exit_code == 0:
            return self._ended(TaskStatus.SUCCEEDED, ending, "")
        if ending.is_own:
            return self._ended(TaskStatus.FAILED, ending, ending.reason)
        if ending.was_stopped:
            return self._ended(TaskStatus.CANCELLED, ending, "it was stopped")
        return self._ended(TaskStatus.FAILED, ending, INTERRUPTED.format(why=ending.reason))

    def _ended(self, status: TaskStatus, ending: Ending, reason: str) -> TaskRecord:
        return replace(self._record, status=status, exit_code=ending.exit_code, reason=reason)

    def _write(self, record: TaskRecord) -> None:
        try:
            self._file.write(record)
        except OSError as error:
            raise Unavailable(f"the end of task {self.spec.task_id} cannot be written down: {error}") from error
        self._record = record
