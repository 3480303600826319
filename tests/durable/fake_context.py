"""A Restate context for tests of sagas: journals names, tries effects a few times, cancels where a test says so.

Its futures are the SDK's, so that `restate.gather` and `restate.select` work on them. A cancel arrives as in the SDK:
at whatever is awaited, while the effect that has begun goes on. Time passes only when nothing but timers is waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from restate import ObjectContext, RunOptions, TerminalError
from restate.server_context import ServerDurableFuture
from restate.vm import FirstCompletedUnresolvedFuture, SingleUnresolvedFuture

ATTEMPTS = 3


class FakeContext:
    """What `Saga` uses of an ObjectContext."""

    def __init__(self, *, cancel_at: tuple[str, ...] = ()) -> None:
        # Names of runs and keys of calls, as they are made.
        self.journal: list[str] = []
        self.sleeps: list[timedelta] = []
        self.now = timedelta()
        self.vm = self
        # Where cancels arrive: once the run or call of that name has begun, one for each mention.
        self._cancel_at = list(cancel_at)
        self._names: list[str] = []
        self._effects: list[Callable[[], Awaitable[Any]]] = []
        self._tasks: dict[int, asyncio.Future[Any]] = {}
        self._timers: dict[int, timedelta] = {}

    def as_context(self) -> ObjectContext:
        return cast(ObjectContext, self)

    def run_typed(self, name: str, action: Callable[[], Awaitable[Any]], options: RunOptions[Any]) -> Any:
        async def attempts() -> Any:
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await action()
                except TerminalError:
                    raise
                except Exception as error:
                    if attempt == ATTEMPTS:
                        raise TerminalError(repr(error)) from error

        async def recorded() -> Any:
            return options.serde.deserialize(options.serde.serialize(await attempts()))

        return self._future(name, recorded)

    def object_call(self, handler: Callable[..., Awaitable[Any]], key: str, request: Any) -> Any:
        return self._future(key, lambda: handler(self, request))

    def sleep(self, delay: timedelta) -> Any:
        self.sleeps.append(delay)
        handle = len(self._effects)
        self._timers[handle] = self.now + delay
        return self._future("", asyncio.Event().wait)

    def is_completed(self, handle: int) -> bool:
        if handle in self._timers:
            return self._timers[handle] <= self.now
        return handle in self._tasks and self._tasks[handle].done()

    async def create_poll_or_cancel_coroutine(self, wait: Any) -> None:
        """The SDK's futures come here to wait; a cancel arrives here."""
        children = [wait] if isinstance(wait, SingleUnresolvedFuture) else wait.children
        handles = [child.handle for child in children]
        if isinstance(wait, FirstCompletedUnresolvedFuture):
            self.now = min(self._timers[handle] for handle in handles)
            return
        for handle in handles:
            if handle not in self._tasks:
                self._tasks[handle] = asyncio.ensure_future(self._effects[handle]())
                await asyncio.sleep(0)
            if self._names[handle] in self._cancel_at:
                self._cancel_at.remove(self._names[handle])
                raise TerminalError("cancelled", status_code=409)
            await asyncio.wait([self._tasks[handle]])

    def _future(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        handle = len(self._effects)
        self._names.append(name)
        self._effects.append(effect)
        if name:
            self.journal.append(name)

        async def result() -> Any:
            if not self.is_completed(handle):
                await self.create_poll_or_cancel_coroutine(SingleUnresolvedFuture(handle))
            return self._tasks[handle].result() if handle in self._tasks else None

        return ServerDurableFuture(cast(Any, self), handle, result)
