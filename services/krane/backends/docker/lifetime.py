"""One run of a container: its state, how it ended, and why."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from dataclasses import replace

from services.domain.errors import Unavailable
from services.krane.backends.docker.containers import Container, Containers, Mark
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.supervision.ending import Ending

# Between polls while the engine is down.
AWAY_SECONDS = 0.2
# Shells and docker-init report a command that a signal ended with this plus the signal's number.
SIGNALLED = 128
LAST_SIGNAL = 64
KILLED = SIGNALLED + signal.SIGKILL
# How long after a container's end the engine may still tell the cause.
LATE_SECONDS = 1.0


class Lifetime:
    """The container of one instance or task, after its start."""

    def __init__(self, containers: Containers, watcher: Watcher, instance_id: str, stop_grace_seconds: float) -> None:
        self._containers = containers
        self._watcher = watcher
        self._instance_id = instance_id
        self._stop_grace_seconds = stop_grace_seconds

    async def look(self) -> Container | None:
        """Return the container; waits while the engine is down."""
        while True:
            try:
                return await self._containers.find(self._instance_id)
            except Unavailable:
                await asyncio.sleep(AWAY_SECONDS)

    async def end(self) -> tuple[Container | None, bool]:
        """Wait until it does not run. Also returns whether the engine was up, as far as known, when it ended."""
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
        """The engine always sends an event if a container ran out of memory, but perhaps after its end. On a busy
        machine the container's state lacks it in some 7 % of all cases (engine 20.10)."""
        is_known = self._watcher.take_out_of_memory(container.id) or container.was_out_of_memory
        if not is_known and container.mark is Mark.NONE and container.exit_code == KILLED:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATE_SECONDS):
                    while not (is_known := self._watcher.take_out_of_memory(container.id)):
                        await changed.wait()
                        changed.clear()
        return replace(container, was_out_of_memory=is_known)

    async def halt(self) -> None:
        """Stop it: SIGTERM, then SIGKILL after the grace period."""
        await undisturbed(self._containers.halt(self._instance_id, self._stop_grace_seconds))


def own_ending(container: Container, memory_mib: int, *, is_seen: bool) -> Ending:
    """Return how a container ended that nobody stopped. Unknown if the engine was down at that moment."""
    if not is_seen:
        return Ending(exit_code=None, was_stopped=False, cause="it ended while the Docker Engine was away")
    cause = f"out of memory: it may use {memory_mib} MiB" if container.was_out_of_memory else ""
    return Ending(exit_code=signed(container.exit_code), was_stopped=False, cause=cause)


async def undisturbed(change: Coroutine[object, object, None]) -> None:
    """Finish a change even if its caller is cancelled: a call that the engine has begun cannot be undone."""
    await asyncio.shield(asyncio.create_task(change))


def signed(exit_code: int) -> int:
    """Convert an exit code to that of Python's subprocess: negative for a signal."""
    number = exit_code - SIGNALLED
    return -number if 0 < number <= LAST_SIGNAL else exit_code
