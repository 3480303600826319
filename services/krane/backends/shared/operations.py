"""Operations that are finished even when whoever asked for them goes away."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from services.domain.errors import Unavailable
from services.telemetry import get_logger

log = get_logger(__name__)

T = TypeVar("T")

# Between attempts at what nobody waits for, while the backend does not answer.
RETRY_SECONDS = 1.0


class BackgroundOperations:
    """The operations that are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    async def finish(self, operation: Coroutine[object, object, T]) -> T:
        """Await an operation that goes on when the caller stops waiting."""
        return await asyncio.shield(self.spawn(operation))

    def spawn(self, operation: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Begin an operation that nobody has to wait for."""
        task = asyncio.create_task(operation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Break off what is under way, as if krane was killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until_done(operation: Callable[[], Awaitable[None]]) -> None:
    """Try again and again, as long as the backend does not answer."""
    while True:
        try:
            return await operation()
        except Unavailable as error:
            log.warning("operation waits", reason=error.message)
            await asyncio.sleep(RETRY_SECONDS)
