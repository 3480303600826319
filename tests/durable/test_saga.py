import asyncio
from datetime import timedelta

import pytest
from restate import ObjectContext, TerminalError
from restate.exceptions import SuspendedException

from services.domain.errors import Conflict, DeadlineExceeded, InterlockError, NotFound, Unavailable
from services.durable.saga import Done, Failure, Saga, Wait, is_cancel
from tests.durable.fake_context import ATTEMPTS, FakeContext

STEPS = ("fetch", "create", "assign", "ready")


class World:
    """What effects have made and not unmade, and all that was done, in order."""

    def __init__(self, **errors: Exception) -> None:
        self.things: set[str] = set()
        self.log: list[str] = []
        self.failures: list[Failure] = []
        # Raised by the effect of that name, half done.
        self._errors = errors

    async def make(self, name: str) -> str:
        self.things.add(name)
        await self._pass(f"{name} begins")
        if name in self._errors:
            raise self._errors[name]
        await self._pass(f"{name} ends")
        return f"result of {name}"

    async def unmake(self, name: str) -> None:
        await self._pass(f"undo {name}")
        if f"undo_{name}" in self._errors:
            raise self._errors[f"undo_{name}"]
        self.things.discard(name)

    async def record(self, failure: Failure) -> None:
        self.failures.append(failure)

    async def _pass(self, what: str) -> None:
        self.log.append(what)
        # Long enough for a cancel to come between, for which the fake needs one turn of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    def undone(self) -> list[str]:
        return [entry.removeprefix("undo ") for entry in self.log if entry.startswith("undo ")]


async def run(ctx: FakeContext, world: World) -> list[str]:
    """A saga of four steps, each with its undo registered before it."""
    results: list[str] = []
    async with Saga(ctx.as_context(), on_failure=world.record) as saga:
        for name in STEPS:
            saga.undo(name, world.unmake, name)
            results.append(await saga.step(name, world.make, name))
    return results


async def fails(ctx: FakeContext, world: World) -> TerminalError:
    with pytest.raises(TerminalError) as failed:
        await run(ctx, world)
    return failed.value


# -- steps -------------------------------------------------------------------------------------------------------------


async def test_steps_run_in_order_and_nothing_is_undone_when_all_succeed() -> None:
    ctx, world = FakeContext(), World()

    results = await run(ctx, world)

    assert results == [f"result of {name}" for name in STEPS]
    assert ctx.journal == list(STEPS)
    assert world.things == set(STEPS)
    assert world.undone() == []
    assert world.failures == []


async def test_a_step_that_is_used_again_is_journaled_under_another_name() -> None:
    ctx, world = FakeContext(), World()

    async with Saga(ctx.as_context()) as saga:
        for _ in range(3):
            await saga.step("upsert", world.make, "row")

    assert ctx.journal == ["upsert", "upsert 2", "upsert 3"]


@pytest.mark.parametrize("name", STEPS)
async def test_when_a_step_fails_everything_so_far_is_undone_last_first(name: str) -> None:
    ctx, world = FakeContext(), World(**{name: NotFound(f"no {name}")})

    error = await fails(ctx, world)

    begun = STEPS[: STEPS.index(name) + 1]
    assert world.undone() == list(reversed(begun))
    assert world.things == set()
    assert (error.status_code, error.message) == (404, f"no {name}")
    assert world.failures == [Failure(step=name, reason=f"no {name}", is_cancelled=False)]


@pytest.mark.parametrize("name", STEPS)
async def test_undos_may_run_twice(name: str) -> None:
    """A cancel that arrives during an undo issues it again."""
    ctx, world = FakeContext(cancel_at=(f"undo: {name}",)), World(ready=NotFound("no"))

    await fails(ctx, world)

    assert world.undone().count(name) == 2
    assert set(world.undone()) == set(STEPS)
    assert world.things == set()


# -- cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STEPS)
async def test_a_cancel_lets_the_running_effect_end_before_it_is_undone(name: str) -> None:
    ctx, world = FakeContext(cancel_at=(name,)), World()

    error = await fails(ctx, world)

    assert world.log.index(f"{name} ends") < world.log.index(f"undo {name}")
    assert world.undone() == list(reversed(STEPS[: STEPS.index(name) + 1]))
    assert world.things == set()
    assert is_cancel(error)
    assert world.failures == [Failure(step=name, reason="cancelled", is_cancelled=True)]


@pytest.mark.parametrize("interrupted", [*(f"undo: {name}" for name in STEPS), "record the outcome"])
async def test_a_second_cancel_while_unwinding_strands_no_undo(interrupted: str) -> None:
    ctx, world = FakeContext(cancel_at=("ready", interrupted, interrupted)), World()

    await fails(ctx, world)

    assert set(world.undone()) == set(STEPS)
    assert world.things == set()
    assert world.failures[-1].is_cancelled


async def test_a_conflict_is_not_taken_for_a_cancel() -> None:
    ctx, world = FakeContext(), World(assign=Conflict("hostname api is taken; choose another name"))

    error = await fails(ctx, world)

    assert error.status_code == 409
    assert not world.failures[0].is_cancelled


async def test_a_cancel_during_a_call_lets_the_callee_settle_before_the_caller_unwinds() -> None:
    ctx, world = FakeContext(cancel_at=("child",)), World()

    async def child(_: ObjectContext, request: str) -> str:
        return await world.make(request)

    async def handler() -> None:
        async with Saga(ctx.as_context(), on_failure=world.record) as saga:
            saga.undo("parent", world.unmake, "assigned")
            await saga.call("assign domains", child, "child", "assigned")

    with pytest.raises(TerminalError):
        await handler()

    assert world.log == ["assigned begins", "assigned ends", "undo assigned"]
    assert world.failures[0].step == "assign domains"


async def test_a_cancel_during_a_called_undo_calls_it_again() -> None:
    ctx, world = FakeContext(cancel_at=("restore",)), World(create=NotFound("no"))

    async def restore(_: ObjectContext, request: str) -> None:
        await world.unmake(request)

    async def handler() -> None:
        async with Saga(ctx.as_context()) as saga:
            saga.undo_call("restore", restore, "routing", "domains")
            await saga.step("create", world.make, "create")

    with pytest.raises(TerminalError, match="no"):
        await handler()

    assert world.undone() == ["domains", "domains"]


# -- undos that fail ---------------------------------------------------------------------------------------------------


async def test_an_undo_that_fails_for_good_is_reported_and_does_not_stop_the_others() -> None:
    ctx, world = FakeContext(), World(ready=NotFound("no"), undo_assign=Unavailable("krane does not answer"))

    error = await fails(ctx, world)

    assert world.things == {"assign"}
    assert error.message == "no"
    assert world.failures[0].failed_undos == ("assign: krane does not answer",)


async def test_the_caller_gets_what_began_it_all_even_when_the_outcome_cannot_be_recorded() -> None:
    async def broken(_: Failure) -> None:
        raise Unavailable("the database did not answer")

    with pytest.raises(TerminalError, match="no such deployment"):
        async with Saga(FakeContext().as_context(), on_failure=broken) as saga:
            await saga.step("fetch", World(fetch=NotFound("no such deployment")).make, "fetch")


# -- refusal, weather, bug ---------------------------------------------------------------------------------------------


async def test_weather_is_tried_again_and_then_given_up() -> None:
    ctx, world = FakeContext(), World(create=Unavailable("krane does not answer"))

    error = await fails(ctx, world)

    assert world.log.count("create begins") == ATTEMPTS
    assert error.message == "krane does not answer"
    assert world.things == set()


async def test_an_effect_may_run_twice_without_anything_happening_twice() -> None:
    attempts: list[str] = []

    async def flaky() -> str:
        attempts.append("attempt")
        if len(attempts) == 1:
            raise Unavailable("the connection broke after the effect")
        return "done"

    async with Saga(FakeContext().as_context()) as saga:
        assert await saga.step("create", flaky) == "done"
    assert len(attempts) == 2


@pytest.mark.parametrize("error", [NotFound("no"), Conflict("no"), DeadlineExceeded("no")])
async def test_a_refusal_is_not_tried_again(error: InterlockError) -> None:
    ctx, world = FakeContext(), World(create=error)

    failed = await fails(ctx, world)

    assert world.log.count("create begins") == 1
    assert (failed.status_code, failed.message) == (error.http_status, "no")


async def test_a_refusal_by_the_handler_itself_unwinds() -> None:
    world = World()

    async def handler() -> None:
        async with Saga(FakeContext().as_context(), on_failure=world.record) as saga:
            saga.undo("create", world.unmake, "create")
            await saga.step("create", world.make, "create")
            raise Conflict("no")

    with pytest.raises(TerminalError) as failed:
        await handler()

    assert (failed.value.status_code, world.things) == (409, set())


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), Unavailable("weather"), SuspendedException(), KeyboardInterrupt()]
)
async def test_only_terminal_errors_unwind(error: BaseException) -> None:
    """Everything else is the SDK suspending, a lost connection or a bug: the handler will run again."""
    ctx, world = FakeContext(), World()

    async def handler() -> None:
        async with Saga(ctx.as_context(), on_failure=world.record) as saga:
            saga.undo("create", world.unmake, "create")
            await saga.step("create", world.make, "create")
            raise error

    with pytest.raises(type(error)) as raised:
        await handler()

    assert raised.value is error
    assert world.things == {"create"}
    assert world.failures == []
    assert ctx.journal == ["create"]


async def test_an_attempt_may_fail() -> None:
    ctx, world = FakeContext(), World(scrape=NotFound("no document"))

    async with Saga(ctx.as_context()) as saga:
        assert await saga.attempt("scrape", world.make, "scrape") is None
        assert await saga.attempt("other", world.make, "other") == "result of other"


async def test_a_cancel_during_an_attempt_unwinds() -> None:
    ctx, world = FakeContext(cancel_at=("scrape",)), World()

    async def handler() -> None:
        async with Saga(ctx.as_context()) as saga:
            saga.undo("create", world.unmake, "create")
            await saga.step("create", world.make, "create")
            await saga.attempt("scrape", world.make, "scrape")

    with pytest.raises(TerminalError, match="cancelled"):
        await handler()

    assert "create" not in world.things


# -- the point of no return --------------------------------------------------------------------------------------------


async def committed(ctx: FakeContext, world: World) -> str:
    async with Saga(ctx.as_context(), on_failure=world.record) as saga:
        saga.undo("assign", world.unmake, "assign")
        await saga.step("assign", world.make, "assign")
        saga.commit()
        return await saga.step("ready", world.make, "ready")


async def test_after_the_commit_a_cancel_changes_nothing() -> None:
    ctx, world = FakeContext(cancel_at=("ready", "ready 2")), World()

    result = await committed(ctx, world)

    assert result == "result of ready"
    assert world.things == {"assign", "ready"}
    assert world.undone() == []
    assert world.failures == []


async def test_after_the_commit_a_failure_undoes_nothing() -> None:
    ctx, world = FakeContext(), World(ready=NotFound("no"))

    with pytest.raises(TerminalError, match="no"):
        await committed(ctx, world)

    assert "assign" in world.things
    assert world.failures == []


# -- polls -------------------------------------------------------------------------------------------------------------


async def poll(ctx: FakeContext, world: World, answers: list[str]) -> str:
    """Look until the answer is "ready"; the answers run out before."""

    async def look() -> str:
        return answers.pop(0) if answers else "not yet"

    async def decide(answer: str) -> Wait | Done[str]:
        return Done(answer) if answer == "ready" else Wait("1 of 2 instances are healthy")

    async with Saga(ctx.as_context(), on_failure=world.record) as saga:
        return await saga.poll("poll until ready", decide, timedelta(seconds=10), look)


async def test_a_poll_looks_until_it_is_decided() -> None:
    ctx, answers = FakeContext(), ["a", "b", "ready", "c"]

    assert await poll(ctx, World(), answers) == "ready"

    assert ctx.journal == ["poll until ready", "poll until ready 2", "poll until ready 3"]
    assert answers == ["c"]


async def test_a_poll_gives_up_at_its_deadline_and_says_what_it_waited_for() -> None:
    ctx, world = FakeContext(), World()

    with pytest.raises(TerminalError) as failed:
        await poll(ctx, world, [])

    assert failed.value.status_code == 504
    assert failed.value.message == "gave up after 10 s: 1 of 2 instances are healthy"
    assert ctx.now == timedelta(seconds=10)
    assert world.failures[0].step == "poll until ready"


async def test_a_poll_waits_longer_each_time_up_to_a_second() -> None:
    ctx = FakeContext()

    with pytest.raises(TerminalError):
        await poll(ctx, World(), [])

    pauses = [sleep for sleep in ctx.sleeps if sleep < timedelta(seconds=10)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(milliseconds=50), timedelta(seconds=1))


async def test_a_cancel_during_a_look_unwinds() -> None:
    ctx, world = FakeContext(cancel_at=("poll until ready 2",)), World()

    with pytest.raises(TerminalError, match="cancelled"):
        await poll(ctx, world, [])

    assert world.failures == [Failure(step="poll until ready", reason="cancelled", is_cancelled=True)]


@pytest.mark.parametrize("error", [NotFound("krane lost it"), Unavailable("krane lost it")])
async def test_a_decision_that_fails_is_final_and_is_the_polls_failure(error: InterlockError) -> None:
    ctx, world = FakeContext(), World()

    async def decide(_: str) -> Wait | Done[None]:
        await saga.step("upsert", world.make, "row")
        raise error

    with pytest.raises(TerminalError) as failed:
        async with Saga(ctx.as_context(), on_failure=world.record) as saga:
            await saga.poll("poll", decide, timedelta(seconds=10), world.make, "look")

    assert (failed.value.status_code, failed.value.message) == (error.http_status, "krane lost it")
    assert ctx.journal == ["poll", "upsert", "record the outcome"]
    assert world.failures == [Failure(step="poll", reason="krane lost it", is_cancelled=False)]


async def test_a_step_of_a_decision_that_fails_is_that_steps_failure() -> None:
    ctx, world = FakeContext(), World(row=NotFound("no row"))

    async def decide(_: str) -> Wait | Done[None]:
        await saga.step("upsert", world.make, "row")
        return Done(None)

    with pytest.raises(TerminalError, match="no row"):
        async with Saga(ctx.as_context(), on_failure=world.record) as saga:
            await saga.poll("poll", decide, timedelta(seconds=10), world.make, "look")

    assert world.failures == [Failure(step="upsert", reason="no row", is_cancelled=False)]


# -- the step log ------------------------------------------------------------------------------------------------------


class RecordingLog:
    """A StepLog to look at."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str | None]] = []

    async def begin(self, name: str) -> None:
        self.entries.append(("begin", name, None))

    async def end(self, name: str, error: str | None) -> None:
        self.entries.append(("end", name, error))


async def test_steps_report_their_beginning_their_end_and_their_error() -> None:
    log, world = RecordingLog(), World(assign=NotFound("no"))

    async def handler() -> None:
        async with Saga(FakeContext().as_context(), log=log) as saga:
            await saga.step("create", world.make, "create")
            await saga.step("create", world.make, "create")
            await saga.step("assign", world.make, "assign")

    with pytest.raises(TerminalError):
        await handler()

    assert log.entries == [
        ("begin", "create", None),
        ("end", "create", None),
        ("begin", "create", None),
        ("end", "create", None),
        ("begin", "assign", None),
        ("end", "assign", "no"),
    ]


async def test_the_looks_of_a_poll_are_one_step_that_the_next_one_ends() -> None:
    log, world, answers = RecordingLog(), World(), ["a", "b"]

    async def look() -> str:
        return answers.pop(0)

    async def decide(_: str) -> Wait | Done[None]:
        return Wait("there are more answers") if answers else Done(None)

    async with Saga(FakeContext().as_context(), log=log) as saga:
        await saga.poll("poll", decide, timedelta(seconds=10), look)
        await saga.step("next", world.make, "next")

    assert log.entries == [
        ("begin", "poll", None),
        ("begin", "poll", None),
        ("begin", "next", None),
        ("end", "next", None),
    ]
