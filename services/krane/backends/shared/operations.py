"""Operations that run to their end even if their caller goes away."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from services.domain.errors import Unavailable
from services.telemetry import get_logger

log = get_logger(__name__)

T = TypeVar("T")

# Between attempts of a background operation, while the backend does not answer.
RETRY_SECONDS = 1.0


class BackgroundOperations:
    """The operations that are running."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    async def finish(self, operation: Coroutine[object, object, T]) -> T:
        """Run an operation and wait for it. It goes on if the caller stops waiting."""
        return await asyncio.shield(self.spawn(operation))

    def spawn(self, operation: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start an operation that nobody has to wait for."""
        task = asyncio.create_task(operation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all running operations, as if krane was killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until_done(operation: Callable[[], Awaitable[None]]) -> None:
    """Repeat an operation while it raises Unavailable."""
    while True:
        try:
            return await operation()
        except Unavailable as error:
            log.warning("operation waits", reason=error.message)
            await asyncio.sleep(RETRY_SECONDS)
