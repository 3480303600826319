"""Sagas: named steps with undos, for Restate handlers that read as the flowchart they implement.

    async with Saga(ctx, log=..., on_failure=...) as saga:
        saga.undo("delete from krane", delete, deployment_id)       # registered first: create may fail half-done
        await saga.step("create in krane", create, deployment_id)
        instances = await saga.poll("poll until ready", decide, timeout, observe, deployment_id)

Theory of operation. A step is a journaled effect: it runs at least once, its result is recorded, and a replay reads the
record. A step fails with TerminalError in three cases: its policy is exhausted, it refuses (a domain error that is not
retryable), or the invocation is cancelled (the SDK raises TerminalError(409, "cancelled") at the current await). When a
TerminalError or a refusal leaves the block, the saga unwinds: it runs the undos, last registered first, then
`on_failure` with the reason, and the error goes to the caller. Any other exception passes unchanged: it is a
suspension, a lost connection or a bug, and Restate runs the handler again. After `commit` nothing unwinds: remaining
steps are retried until they succeed.

The saga handles three races for all handlers:
- A cancel arrives while an effect is running. `settle` lets the effect, or the child call with its own undos, finish
  first; otherwise it could take effect after its undo. An effect that hangs is given up after a moment, as if the
  endpoint had died. A failed effect that waits for its retry is not retried.
- A second cancel arrives during the unwinding. It interrupts one await, and the undo is issued again; therefore undos
  must be idempotent.
- An undo fails permanently. It is reported in the Failure, and the other undos still run.

Steps report start and end to a StepLog, so that progress is visible in the database. The log is written inside the
step, and so journaled with it. With `shown`, the saga also stores these values and its current step in the object's
state while it runs. Steps, calls and undos report failpoints, at which tests inject faults.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar

import restate
from restate import ObjectContext, RunOptions, TerminalError
from restate.context import RestateDurableFuture

from services.domain.errors import DeadlineExceeded, InterlockError
from services.durable import policies
from services.durable.failpoints import NO_FAILPOINTS, Failpoints, Moment
from services.durable.refusals import refusals_are_terminal, terminal
from services.durable.serde import result_serde

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Outcome = TypeVar("Outcome")
Request = TypeVar("Request")
Response = TypeVar("Response")

Effect = Callable[P, Awaitable[T]]

# Message of the SDK's error for a cancelled invocation.
_CANCELLED = "cancelled"

# State of the virtual object that shows the running saga; read it with `restate kv get`.
SHOWN_STATE = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a saga unwound."""

    # The failed step, or the one that was running when the cancel arrived.
    step: str
    reason: str
    is_cancelled: bool
    # One sentence per undo that failed permanently; these need a person.
    failed_undos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Returned by the `decide` of `Saga.poll`: keep polling."""

    # What it waits for, in one sentence; part of the error at the deadline.
    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """Returned by the `decide` of `Saga.poll`: stop polling and return `value`."""

    value: T_co


class StepLog(Protocol):
    """Receives the start and end of steps."""

    async def begin(self, name: str) -> None:
        """Called when a step begins, also for a retry; the step before it has ended."""
        ...

    async def end(self, name: str, error: str | None) -> None:
        """Called when a step has ended."""
        ...


class Saga:
    """The steps and undos of one handler. Use it as an async context manager."""

    def __init__(
        self,
        ctx: ObjectContext,
        *,
        log: StepLog | None = None,
        on_failure: Callable[[Failure], Awaitable[None]] | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
        shown: Mapping[str, str] | None = None,
    ) -> None:
        self._ctx = ctx
        self._shown = shown
        self._failpoints = failpoints
        self._log = log
        self._on_failure = on_failure
        self._undos: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._uses: dict[str, int] = {}
        self._step = ""
        self._is_committed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, InterlockError) and not error.retryable:
            refused = terminal(error)
            await self._unwind(refused)
            self._hide()
            raise refused from error
        if isinstance(error, TerminalError):
            await self._unwind(error)
        if error is None or isinstance(error, TerminalError):
            self._hide()

    def commit(self) -> None:
        """Pass the point of no return: later failures are retried, not undone, and cancels have no effect."""
        self._is_committed = True
        self._undos.clear()
        self._on_failure = None

    def undo(self, name: str, effect: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Register the effect that reverses the next step. It must be idempotent and succeed with nothing to undo."""

        async def bound() -> None:
            await effect(*args, **kwargs)

        self._undos.append((name, lambda: self._insist(f"undo: {name}", bound)))

    def undo_call(
        self, name: str, handler: Callable[[ObjectContext, Request], Awaitable[Response]], key: str, request: Request
    ) -> None:
        """Register a call of another virtual object as an undo."""

        async def call() -> None:
            await self._failpoints.reach(f"undo: {name}", Moment.BEFORE)
            await _through_cancels(lambda: self._ctx.object_call(handler, key, request))
            await self._failpoints.reach(f"undo: {name}", Moment.JOURNALED)

        self._undos.append((name, call))

    async def step(self, name: str, effect: Effect[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an effect as a journaled step and return its result, which is stored as JSON by its declared type."""
        return await self._run(name, policies.STEP, effect, True, *args, **kwargs)

    async def attempt(self, name: str, effect: Effect[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Run a step whose failure does not matter; returns None then. A cancel still unwinds."""
        try:
            return await self._run(name, policies.ATTEMPT, effect, True, *args, **kwargs)
        except TerminalError as error:
            if is_cancel(error):
                raise
            return None

    async def poll(
        self,
        name: str,
        decide: Callable[[T], Awaitable[Wait | Done[Outcome]]],
        timeout: timedelta,
        effect: Effect[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome:
        """Run `effect` as a step again and again until `decide` returns Done for its result; suspend in between.

        `decide` runs outside of steps and may run steps itself. A domain error that it raises fails the poll, even
        if it is retryable, because the result is journaled and would not change.

        Raises TerminalError(504) at the deadline.
        """
        # A durable timer, not a clock: the deadline holds over restarts and is the same in every replay.
        deadline = self._ctx.sleep(timeout)
        pause = policies.FIRST_POLL
        while True:
            seen = await self._run(name, policies.STEP, effect, False, *args, **kwargs)
            try:
                decision = await decide(seen)
            except InterlockError as error:
                raise self._failed(name, error) from error
            if isinstance(decision, Done):
                return decision.value
            # A step of `decide` may have been the last one.
            self._enter(name)
            first, _ = await restate.select(pause=self._ctx.sleep(pause), deadline=deadline)
            if first == "deadline":
                message = f"gave up after {timeout.total_seconds():g} s: {decision.reason}"
                raise self._failed(name, DeadlineExceeded(message))
            pause = min(pause * policies.POLL_FACTOR, policies.LAST_POLL)

    async def call(
        self, name: str, handler: Callable[[ObjectContext, Request], Awaitable[Response]], key: str, request: Request
    ) -> Response:
        """Call a handler of another virtual object, durably. It ends, with its undos, before this saga unwinds."""
        self._enter(name)
        await self._failpoints.reach(name, Moment.BEFORE)
        response = await settle(self._ctx.object_call(handler, key, request))
        await self._failpoints.reach(name, Moment.JOURNALED)
        return response

    def _failed(self, name: str, error: InterlockError) -> TerminalError:
        self._enter(name)
        return terminal(error)

    def _enter(self, name: str) -> None:
        """Record the current step, for the Failure and in the object's state."""
        if self._shown is not None and name != self._step:
            self._ctx.set(SHOWN_STATE, {**self._shown, "step": name})
        self._step = name

    def _hide(self) -> None:
        if self._shown is not None:
            self._ctx.clear(SHOWN_STATE)

    async def _run(
        self,
        name: str,
        policy: policies.Policy,
        effect: Effect[P, T],
        ends: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        self._enter(name)
        use = self._uses[name] = self._uses.get(name, 0) + 1

        exposed = self._exposed(name, lambda: effect(*args, **kwargs))

        async def logged() -> T:
            if self._log is None:
                return await exposed()
            await self._log.begin(name)
            try:
                result = await exposed()
            except Exception as error:
                await self._log.end(name, str(error))
                raise
            if ends:
                await self._log.end(name, None)
            return result

        bounds = policies.UNDO if self._is_committed else policy
        options = RunOptions[T](serde=result_serde(effect), **bounds)
        journal_name = name if use == 1 else f"{name} {use}"

        tries = _Tries(logged)

        def begin() -> RestateDurableFuture[T]:
            return self._ctx.run_typed(journal_name, _refusable(tries.run), options)

        result = await (_through_cancels(begin) if self._is_committed else settle(begin(), tries.end))
        await self._failpoints.reach(name, Moment.JOURNALED)
        return result

    def _exposed(self, name: str, effect: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """Return the effect with its failpoints around it."""

        async def run() -> T:
            await self._failpoints.reach(name, Moment.BEFORE)
            result = await effect()
            await self._failpoints.reach(name, Moment.EFFECT)
            return result

        return run

    async def _unwind(self, error: TerminalError) -> None:
        failure = Failure(step=self._step, reason=error.message, is_cancelled=is_cancel(error))
        for name, effect in reversed(self._undos):
            try:
                await effect()
            except TerminalError as trouble:
                failure = replace(failure, failed_undos=(*failure.failed_undos, f"{name}: {trouble.message}"))
        on_failure = self._on_failure
        if on_failure is not None:
            final = failure

            async def conclude() -> None:
                await on_failure(final)

            # The caller gets the original error; Restate's journal shows this one.
            with suppress(TerminalError):
                await self._insist("record the outcome", conclude)

    async def _insist(self, name: str, effect: Callable[[], Awaitable[None]]) -> None:
        """Run an effect to its end, also if cancels arrive."""
        options = RunOptions[None](serde=result_serde(_nothing), **policies.UNDO)
        run = _refusable(self._exposed(name, effect))
        await _through_cancels(lambda: self._ctx.run_typed(name, run, options))
        await self._failpoints.reach(name, Moment.JOURNALED)


class _Tries(Generic[T]):
    """An effect whose retries can be stopped."""

    def __init__(self, effect: Callable[[], Awaitable[T]]) -> None:
        self._effect = effect
        self._are_over = False
        # Time limit of the running try.
        self._limit: asyncio.Timeout | None = None

    def end(self) -> None:
        """Allow no further try, and give up the running one after LAST_TRY."""
        self._are_over = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + policies.LAST_TRY.total_seconds())

    async def run(self) -> T:
        """Run the effect once."""
        if self._are_over:
            raise TerminalError(_CANCELLED, status_code=HTTPStatus.CONFLICT)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                return await self._effect()
        except TimeoutError as error:
            # The effect may have raised a TimeoutError itself.
            if limit.expired():
                raise TerminalError(_CANCELLED, status_code=HTTPStatus.CONFLICT) from error
            raise
        finally:
            self._limit = None


async def settle(future: RestateDurableFuture[T], on_cancel: Callable[[], None] | None = None) -> T:
    """Await a step or call; if a cancel arrives, let it end before raising."""
    try:
        await restate.gather(future)
    except TerminalError:
        if on_cancel is not None:
            on_cancel()
        with suppress(TerminalError):
            await future
        raise
    return await future


async def _through_cancels(begin: Callable[[], RestateDurableFuture[T]]) -> T:
    """Begin again each time a cancel interrupts the await."""
    while True:
        try:
            return await settle(begin())
        except TerminalError as error:
            if not is_cancel(error):
                raise


def is_cancel(error: TerminalError) -> bool:
    """Return whether the error means a cancelled invocation. Our own conflicts are 409 too, with other messages."""
    return error.status_code == HTTPStatus.CONFLICT and error.message == _CANCELLED


def _refusable(effect: Callable[[], Awaitable[T]]) -> Callable[[], Coroutine[Any, Any, T]]:
    async def run() -> T:
        with refusals_are_terminal():
            return await effect()

    return run


async def _nothing() -> None:
    """The signature of an undo, for its serde."""
