"""Notices ended containers: at once through the engine's events, and at the latest by polling every few seconds."""

import asyncio
import contextlib
from collections.abc import Generator

from services.domain.errors import InterlockError
from services.krane.backends.docker.containers import INSTANCE_ID, Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import Event
from services.telemetry import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 5.0
# Before a new attempt to follow the events, after the engine went away.
RETRY_SECONDS = 0.2


class Watcher:
    """Wakes the waiters of a container. An event is only a hint: a waiter checks the container itself."""

    def __init__(self, engine: Engine, containers: Containers) -> None:
        self._engine = engine
        self._containers = containers
        self._watched: dict[str, asyncio.Event] = {}
        # Containers that ran out of memory in their current run, or in one whose end was not handled yet.
        self._out_of_memory: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        # How often the engine went away.
        self.outages = 0

    def open(self) -> None:
        """Start to watch."""
        self._tasks = [
            asyncio.create_task(self._follow_events(), name="follow the engine's events"),
            asyncio.create_task(self._look_around(), name="look at all containers"),
        ]

    async def close(self) -> None:
        """Stop to watch."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.contextmanager
    def watch(self, instance_id: str) -> Generator[asyncio.Event]:
        """Yield an event that is set when an instance's container may have ended."""
        changed = self._watched[instance_id] = asyncio.Event()
        try:
            yield changed
        finally:
            del self._watched[instance_id]

    def hear(self, event: Event) -> None:
        """Handle an event of the engine."""
        container_id = event.actor.id
        match event.action:
            case "oom":
                self._out_of_memory.add(container_id)
            case "destroy":
                self._out_of_memory.discard(container_id)
            case _:
                pass
        self._wake(event.actor.attributes.get(INSTANCE_ID, ""))

    def take_out_of_memory(self, container_id: str) -> bool:
        """Return whether an event said that the current run went out of memory, and reset that for the next run."""
        is_heard = container_id in self._out_of_memory
        self._out_of_memory.discard(container_id)
        return is_heard

    async def _follow_events(self) -> None:
        while True:
            with contextlib.suppress(InterlockError):
                await self._follow_until_away()
            self.outages += 1
            self._wake_all()
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_until_away(self) -> None:
        async with self._engine.events(self._containers.labels) as events:
            log.info("engine answers")
            # For what happened before the events were followed.
            self._wake_all()
            async for event in events:
                self.hear(event)
        log.warning("engine went away")

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            # If the engine is down, the events tell.
            with contextlib.suppress(InterlockError):
                containers = await self._containers.all()
                running = {one.labels[INSTANCE_ID] for one in containers if one.state == "running"}
                for instance_id in self._watched.keys() - running:
                    self._wake(instance_id)

    def _wake_all(self) -> None:
        for changed in self._watched.values():
            changed.set()

    def _wake(self, instance_id: str) -> None:
        if changed := self._watched.get(instance_id):
            changed.set()
