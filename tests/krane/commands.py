"""Helpers for tests of tasks: commands to run once, and waits for what they come to."""

import os
import signal
from typing import Any

from services.domain.settings import EffectiveSettings
from services.krane.client import KraneClient
from services.krane.types import RELEASE, TaskSpec, TaskState, TaskStatus
from tests.krane.docker_image import PYTHON
from tests.krane.support import NAMESPACE, named_processes, until

# Goes on until it is sent SIGUSR1, and says so.
PATIENT = (
    "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); print('began', flush=True); "
    "signal.sigwait([signal.SIGUSR1]); print('went on', flush=True)"
)


def task(task_id: str, image: str, code: str, **fields: Any) -> TaskSpec:
    """A Python program to run once."""
    command = (str(PYTHON), "-S", "-c", code)
    defaults = {"command": command, "cpu_millicores": 500, "memory_mib": 128, "timeout_seconds": 60.0}
    given = defaults | fields
    run = EffectiveSettings(
        release_command=given["command"], cpu_millicores=given["cpu_millicores"], memory_mib=given["memory_mib"]
    )
    return TaskSpec(
        namespace=NAMESPACE,
        task_id=task_id,
        image=image,
        run=run,
        timeout_seconds=given["timeout_seconds"],
        name=given.get("name", RELEASE),
    )


async def state_of(client: KraneClient, task_id: str) -> TaskState:
    """How a task is that must be there."""
    state = await client.get_task(NAMESPACE, task_id)
    assert state is not None
    return state


async def ended(client: KraneClient, task_id: str) -> TaskState:
    """Wait for the end of a task."""

    async def look() -> TaskState | None:
        state = await state_of(client, task_id)
        return state if state.status is not TaskStatus.RUNNING else None

    return await until(look)


async def begun(client: KraneClient, task_id: str) -> set[int]:
    """The processes of a task, once it has said that it began."""

    async def look() -> bool:
        return "began" in (await state_of(client, task_id)).log_lines

    await until(look)
    return processes(task_id)


def processes(task_id: str) -> set[int]:
    """The pids of a task, descendants included."""
    return named_processes(f"{task_id}-release")


def go_on(pids: set[int]) -> None:
    """Let a patient task end."""
    (pid,) = pids
    os.kill(pid, signal.SIGUSR1)
