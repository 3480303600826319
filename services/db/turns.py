"""The order in which writers of one SQLite file take turns.

SQLite lets a waiting writer try again after pauses that grow up to 100 ms, so a writer that comes later often wins, and
some wait until they fail (https://sqlite.org/c3ref/busy_timeout.html). Here the writers of a process queue in order,
and processes alternate. SQLite's own lock still protects the data; these locks only decide who asks for it next.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

# How often a process looks whether another one has ended its turn. Only its first writer looks.
_LOOK_SECONDS = 0.0003


class WriteTurns:
    """This process's turns at a database file that other processes write too."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._queue = asyncio.Lock()
        self._files = ExitStack()
        self._locks: tuple[int, int] | None = None

    @asynccontextmanager
    async def turn(self, wait_seconds: float) -> AsyncGenerator[None]:
        """Hold the turn in this block. Raises TimeoutError after wait_seconds, OSError if it cannot make lock files."""
        with ExitStack() as turn:
            async with asyncio.timeout(wait_seconds):
                await self._queue.acquire()
                turn.callback(self._queue.release)
                writing, next_one = self._opened()
                # Whoever waits for the turn holds the second lock. A process that has just written and has more to
                # write waits for that one, so it cannot overtake.
                with ExitStack() as waiting:
                    await _lock(next_one, waiting)
                    await _lock(writing, turn)
            yield

    def close(self) -> None:
        """Close the lock files."""
        self._locks = None
        self._files.close()

    def _opened(self) -> tuple[int, int]:
        if self._locks is None:
            self._locks = (self._open("-writing"), self._open("-next"))
        return self._locks

    def _open(self, suffix: str) -> int:
        file = os.open(f"{self._database}{suffix}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._files.callback(os.close, file)
        return file


async def _lock(file: int, until: ExitStack) -> None:
    """Wait for the lock and hold it until the stack is closed, or this process ends."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            until.callback(fcntl.flock, file, fcntl.LOCK_UN)
            return
