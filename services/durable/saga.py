"""Sagas: named steps with undos, for Restate handlers that read as the flowchart they implement.

    async with Saga(ctx, log=..., on_failure=...) as saga:
        saga.undo("delete from krane", delete, deployment_id)       # registered first: create may fail half-done
        await saga.step("create in krane", create, deployment_id)
        instances = await saga.poll("poll until ready", decide, timeout, observe, deployment_id)

Theory of operation. A step is a journaled effect: it runs at least once, its result is recorded, and a replay reads the
record. It is bounded by a policy and fails with TerminalError when that is exhausted, when it refuses (a domain error
that is not retryable), or when the invocation is cancelled: the SDK raises TerminalError(409, "cancelled") at whatever
is awaited. Leaving the block with a TerminalError, or with a refusal of the domain, unwinds: the undos run, last
registered first, then `on_failure` with what happened, and the error goes on to the caller. Every other exception
passes untouched: it is the SDK suspending, a lost connection, or a bug, and Restate runs the handler again. After
`commit` nothing unwinds any more: what is left is repeated until it is done.

Three races are settled here once for all handlers:
- A cancel arrives while an effect is still running. `settle` lets the effect, or the child call with its own undos,
  finish first: otherwise it could land after its undo. An effect that hangs is given up after a moment, as if the
  endpoint had died in it; one that failed and waits to be tried again is not tried again.
- A second cancel arrives while unwinding. It interrupts one await; the undo is issued again, so undos are idempotent.
- An undo fails for good. It is reported in the Failure and does not stop the others.

Steps report to a StepLog as they begin and end, so that progress is visible in the database. The log is written inside
the step, hence journaled with it. A saga with `shown` also keeps that, and the step it is in, in the object's state as
long as it runs. Steps, calls and undos announce their failpoints, for tests to fail at.
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

# What the SDK's error says when somebody cancelled the invocation.
_CANCELLED = "cancelled"

# The state of the virtual object in which a saga shows itself while it runs; `restate kv get` reads it.
SHOWN_STATE = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a saga unwound."""

    # The step that failed, or that ran when the cancel arrived.
    step: str
    reason: str
    is_cancelled: bool
    # One sentence for each undo that failed for good; somebody has to look.
    failed_undos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What `Saga.poll` saw is not enough yet."""

    # What it waits for, in one sentence; the deadline's message ends with it.
    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """`Saga.poll` has seen enough, and returns this."""

    value: T_co


class StepLog(Protocol):
    """Where steps report to."""

    async def begin(self, name: str) -> None:
        """A step begins, again if it is retried; the step before it has ended."""
        ...

    async def end(self, name: str, error: str | None) -> None:
        """A step has ended."""
        ...


class Saga:
    """One handler's steps and undos. Use as an async context manager."""

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
        """Pass the point of no return: from here on trouble is repaired forward, and cancels come too late."""
        self._is_committed = True
        self._undos.clear()
        self._on_failure = None

    def undo(self, name: str, effect: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Register what reverses the step that follows. Idempotent; succeeds when there is nothing to undo."""

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
        """Run an effect as a journaled step and return its result, which must be JSON by the declared type."""
        return await self._run(name, policies.STEP, effect, True, *args, **kwargs)

    async def attempt(self, name: str, effect: Effect[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """A step whose failure does not matter: None then. A cancel still unwinds."""
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
        """Look by `effect`, a step of its own each time, until `decide` is done with what it saw; suspend in between.

        `decide` runs outside of steps and may run some. A domain error that it raises has failed the box, also one that
        is retryable elsewhere: what it saw is journaled. Raises TerminalError(504) at the deadline.
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
        """Call a handler of another virtual object, durably. It settles, undos included, before this saga unwinds."""
        self._enter(name)
        await self._failpoints.reach(name, Moment.BEFORE)
        response = await settle(self._ctx.object_call(handler, key, request))
        await self._failpoints.reach(name, Moment.JOURNALED)
        return response

    def _failed(self, name: str, error: InterlockError) -> TerminalError:
        self._enter(name)
        return terminal(error)

    def _enter(self, name: str) -> None:
        """Note the box that the handler is in, for the Failure and for whoever looks at the object's state."""
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
        """The effect between its failpoints."""

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

            # The caller gets the error that began it all; Restate's journal shows this one.
            with suppress(TerminalError):
                await self._insist("record the outcome", conclude)

    async def _insist(self, name: str, effect: Callable[[], Awaitable[None]]) -> None:
        """Run what must happen to its end."""
        options = RunOptions[None](serde=result_serde(_nothing), **policies.UNDO)
        run = _refusable(self._exposed(name, effect))
        await _through_cancels(lambda: self._ctx.run_typed(name, run, options))
        await self._failpoints.reach(name, Moment.JOURNALED)


class _Tries(Generic[T]):
    """An effect that can be told to come to an end."""

    def __init__(self, effect: Callable[[], Awaitable[T]]) -> None:
        self._effect = effect
        self._are_over = False
        # Of the try that runs.
        self._limit: asyncio.Timeout | None = None

    def end(self) -> None:
        """What runs is the last try, and is given up when it does not end soon."""
        self._are_over = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + policies.LAST_TRY.total_seconds())

    async def run(self) -> T:
        """Try once more."""
        if self._are_over:
            raise TerminalError(_CANCELLED, status_code=HTTPStatus.CONFLICT)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                return await self._effect()
        except TimeoutError as error:
            # It may be the effect's own.
            if limit.expired():
                raise TerminalError(_CANCELLED, status_code=HTTPStatus.CONFLICT) from error
            raise
        finally:
            self._limit = None


async def settle(future: RestateDurableFuture[T], on_cancel: Callable[[], None] | None = None) -> T:
    """Await a step or call; when a cancel arrives meanwhile, let it end before raising."""
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
    """Begin something again each time that a cancel interrupts it."""
    while True:
        try:
            return await settle(begin())
        except TerminalError as error:
            if not is_cancel(error):
                raise


def is_cancel(error: TerminalError) -> bool:
    """Whether somebody cancelled the invocation. Our own conflicts are 409 too, but never say just that."""
    return error.status_code == HTTPStatus.CONFLICT and error.message == _CANCELLED


def _refusable(effect: Callable[[], Awaitable[T]]) -> Callable[[], Coroutine[Any, Any, T]]:
    async def run() -> T:
        with refusals_are_terminal():
            return await effect()

    return run


async def _nothing() -> None:
    """The signature of an undo, for its serde."""
