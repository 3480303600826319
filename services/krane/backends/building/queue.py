"""The build queue. It limits builds in all and per workspace; production goes first, then first come, first served.

The queue is in memory. A waiting build has a record on disk, so krane queues it again after a restart.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.krane.types import BuildPriority


@dataclass(eq=False, slots=True)
class _Ticket:
    namespace: str
    priority: BuildPriority
    turn: asyncio.Event = field(default_factory=asyncio.Event)


class BuildQueue:
    """The builds that run and those that wait."""

    def __init__(self, max_builds: int, max_of_workspace: int) -> None:
        self._max_builds = max_builds
        self._max_of_workspace = max_of_workspace
        self._running: Counter[str] = Counter()
        self._waiting: list[_Ticket] = []

    @asynccontextmanager
    async def turn(
        self, namespace: str, priority: BuildPriority, on_wait: Callable[[str], None]
    ) -> AsyncGenerator[None]:
        """Wait for a turn and hold it. If there is none at once, `on_wait` gets the reason."""
        ticket = _Ticket(namespace, priority)
        self._waiting.append(ticket)
        self._admit()
        try:
            if not ticket.turn.is_set():
                on_wait(self._reason(namespace))
                await ticket.turn.wait()
            yield
        finally:
            self._leave(ticket)
            self._admit()

    def _admit(self) -> None:
        # sorted() is stable: within one priority, the first to come stays first.
        for ticket in sorted(self._waiting, key=lambda waiting: waiting.priority, reverse=True):
            if self._running.total() >= self._max_builds:
                return
            if self._running[ticket.namespace] < self._max_of_workspace:
                self._waiting.remove(ticket)
                self._running[ticket.namespace] += 1
                ticket.turn.set()

    def _leave(self, ticket: _Ticket) -> None:
        if ticket.turn.is_set():
            self._running[ticket.namespace] -= 1
        else:
            self._waiting.remove(ticket)

    def _reason(self, namespace: str) -> str:
        if self._running.total() >= self._max_builds:
            return f"waiting: {self._running.total()} other builds are running"
        return f"waiting: {self._running[namespace]} of the workspace's builds are running"
