"""A Restate context for tests of handlers: journals names, tries effects a few times, cancels where a test says so.

Its futures are the SDK's, so that `restate.gather` and `restate.select` work on them. A cancel arrives as in the SDK:
at whatever is awaited, while the effect that has begun goes on. Time passes only when nothing but timers is waited for.
A handler that is called runs in a context of its own, which writes into the same journal, behind the handler's name.
What a journal holds already is answered from it, as in a replay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from restate import ObjectContext, RunOptions, TerminalError
from restate.server_context import ServerDurableFuture
from restate.vm import FirstCompletedUnresolvedFuture, SingleUnresolvedFuture

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a handler may ask of the request that began it."""

    id: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


class FakeContext:
    """What our handlers use of an ObjectContext."""

    def __init__(
        self,
        *,
        key: str = "key",
        invocation_id: str = "inv_1",
        cancel_at: tuple[str, ...] = (),
        repeats_effects: bool = False,
        replayed: Mapping[str, Any] | None = None,
        on_entry: Callable[[str, bool], None] | None = None,
    ) -> None:
        # Names of runs, and of the handlers that were called, as they are made.
        self.journal: list[str] = []
        # What they came to, for those that did.
        self.results: dict[str, Any] = {}
        # What they came to in an earlier attempt.
        self._replayed = replayed or {}
        # Told of each that is not replayed, and whether it is a call, before it begins.
        self._on_entry = on_entry
        # The runs and calls that failed for good.
        self.failed: list[str] = []
        # What was sent without waiting: the handler's name and the request.
        self.sent: list[tuple[str, Any]] = []
        # The object's state, and every value that it had.
        self.state: dict[str, Any] = {}
        self.shown: list[Any] = []
        self.sleeps: list[timedelta] = []
        self.now = timedelta()
        self.vm = self
        self._key = key
        self._invocation = Invocation(invocation_id)
        # Every effect happens twice, as if nobody had been told of the first time.
        self._repeats_effects = repeats_effects
        # Where cancels arrive: once the run or call of that name has begun, one for each mention.
        self._cancel_at = list(cancel_at)
        self._within = ""
        # Somebody cancelled the caller.
        self._is_cancelled = False
        self._called: dict[int, FakeContext] = {}
        self._names: list[str] = []
        self._effects: list[Callable[[], Awaitable[Any]]] = []
        self._tasks: dict[int, asyncio.Future[Any]] = {}
        self._timers: dict[int, timedelta] = {}

    def as_context(self) -> ObjectContext:
        return cast(ObjectContext, self)

    def key(self) -> str:
        return self._key

    def request(self) -> Invocation:
        return self._invocation

    def set(self, name: str, value: Any) -> None:
        self.state[name] = value
        self.shown.append(value)

    def clear(self, name: str) -> None:
        self.state.pop(name, None)

    def run_typed(self, name: str, action: Callable[[], Awaitable[Any]], options: RunOptions[Any]) -> Any:
        async def attempts() -> Any:
            attempt = 0
            while True:
                attempt += 1
                try:
                    if self._repeats_effects:
                        await action()
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
        called = self._context_of(handler.__name__, key)
        future = self._future(handler.__name__, lambda: handler(called, request), is_call=True)
        self._called[future.handle] = called
        return future

    def object_send(
        self, handler: Callable[..., Awaitable[Any]], key: str, request: Any, delay: timedelta | None = None
    ) -> None:
        self.sent.append((handler.__name__, request))

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
            if self._takes_cancel(self._names[handle]):
                if handle in self._called:
                    self._called[handle]._is_cancelled = True
                raise TerminalError("cancelled", status_code=409)
            await asyncio.wait([self._tasks[handle]])

    def _takes_cancel(self, name: str) -> bool:
        if self._is_cancelled:
            self._is_cancelled = False
            return True
        if name in self._cancel_at:
            self._cancel_at.remove(name)
            return True
        return False

    def _context_of(self, handler: str, key: str) -> "FakeContext":
        called = FakeContext(
            key=key,
            invocation_id=f"{self._invocation.id}_{handler}",
            repeats_effects=self._repeats_effects,
            replayed=self._replayed,
            on_entry=self._on_entry,
        )
        called._within = f"{self._within}{handler}/"
        called.journal, called.results, called.failed = self.journal, self.results, self.failed
        called._cancel_at = self._cancel_at
        return called

    def _future(self, name: str, effect: Callable[[], Awaitable[Any]], *, is_call: bool = False) -> Any:
        handle = len(self._effects)
        name = name and self._within + name
        self._names.append(name)
        self._effects.append(effect)
        if name in self._replayed:
            self._tasks[handle] = asyncio.get_running_loop().create_future()
            self._tasks[handle].set_result(self._replayed[name])
        elif name and self._on_entry:
            self._on_entry(name, is_call)
        if name:
            self.journal.append(name)

        async def result() -> Any:
            if not self.is_completed(handle):
                await self.create_poll_or_cancel_coroutine(SingleUnresolvedFuture(handle))
            return self._result(handle)

        return ServerDurableFuture(cast(Any, self), handle, result)

    def _result(self, handle: int) -> Any:
        if handle not in self._tasks:
            return None
        try:
            result = self._tasks[handle].result()
        except TerminalError:
            self.failed.append(self._names[handle])
            raise
        self.results[self._names[handle]] = result
        return result
