"""The time in which a container runs: how it goes, how it ends, and what its end means."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from dataclasses import replace

from services.domain.errors import Unavailable
from services.krane.backends.docker.containers import Container, Containers, Mark
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.supervision.ending import Ending

# Between looks while the engine is away.
AWAY_SECONDS = 0.2
# An exit code over it is that of a command that a signal ended, as shells and `docker-init` say it.
SIGNALLED = 128
LAST_SIGNAL = 64
KILLED = SIGNALLED + signal.SIGKILL
# How long after a container's end the engine may tell why.
LATE_SECONDS = 1.0


class Lifetime:
    """The container of one instance or task, once it was started."""

    def __init__(self, containers: Containers, watcher: Watcher, instance_id: str, stop_grace_seconds: float) -> None:
        self._containers = containers
        self._watcher = watcher
        self._instance_id = instance_id
        self._stop_grace_seconds = stop_grace_seconds

    async def look(self) -> Container | None:
        """The container, however long the engine has to be waited for."""
        while True:
            try:
                return await self._containers.find(self._instance_id)
            except Unavailable:
                await asyncio.sleep(AWAY_SECONDS)

    async def end(self) -> tuple[Container | None, bool]:
        """Wait until it does not run; whether the engine was there when it ended, as far as that was seen."""
        outages: int | None = None
        with self._watcher.watch(self._instance_id) as changed:
            while (container := await self.look()) is not None and container.is_running:
                outages = self._watcher.outages
                await changed.wait()
                changed.clear()
            if container is not None:
                container = await self._with_what_was_heard(container, changed)
        return container, outages in (None, self._watcher.outages)

    async def _with_what_was_heard(self, container: Container, changed: asyncio.Event) -> Container:
        """The engine always tells as an event that a container ran out of memory, perhaps only after its end; in the
        container's state it forgets to say so in some 7 % of the cases on a busy machine (20.10)."""
        is_known = self._watcher.take_out_of_memory(container.id) or container.was_out_of_memory
        if not is_known and container.mark is Mark.NONE and container.exit_code == KILLED:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATE_SECONDS):
                    while not (is_known := self._watcher.take_out_of_memory(container.id)):
                        await changed.wait()
                        changed.clear()
        return replace(container, was_out_of_memory=is_known)

    async def halt(self) -> None:
        """Ask it to end, and kill it when the grace period is over."""
        await undisturbed(self._containers.halt(self._instance_id, self._stop_grace_seconds))


def own_ending(container: Container, memory_mib: int, *, is_seen: bool) -> Ending:
    """How a container ended that nobody stopped. The engine must have been there, to know."""
    if not is_seen:
        return Ending(exit_code=None, was_stopped=False, cause="it ended while the Docker Engine was away")
    cause = f"out of memory: it may use {memory_mib} MiB" if container.was_out_of_memory else ""
    return Ending(exit_code=signed(container.exit_code), was_stopped=False, cause=cause)


async def undisturbed(change: Coroutine[object, object, None]) -> None:
    """Finish a change when its caller is cancelled: a call that the engine has begun cannot be taken back."""
    await asyncio.shield(asyncio.create_task(change))


def signed(exit_code: int) -> int:
    """An exit code as Python's subprocess says it: negative for a signal."""
    number = exit_code - SIGNALLED
    return -number if 0 < number <= LAST_SIGNAL else exit_code
