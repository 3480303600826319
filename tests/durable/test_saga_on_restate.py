"""Sagas on a real Restate, with handlers that stay in memory and with handlers that are replayed at every wait."""

import asyncio
from datetime import timedelta

import pytest

from services.domain.errors import Conflict, InterlockError, NotFound
from services.durable import policies
from services.durable.client import RestateClient
from services.durable.serde import read_message
from services.gen.hydra.v1 import deployment_pb2 as pb
from tests.durable.conftest import Run
from tests.durable.sample import CALLED, REQUEST, SAGA

pytestmark = pytest.mark.restate

# Much sooner than a step gives up by itself.
SOON_SECONDS = 10.0


async def test_a_saga_runs_every_kind_of_step_once(run: Run) -> None:
    answer = await run.result(await run.send())

    assert read_message(pb.DeployResponse, answer) == pb.DeployResponse(deployment_id="d_1", status="ready")
    assert run.notes.log() == [
        "create begins", "create ends", "look", "route begins", "route ends", "ready begins", "ready ends",
    ]  # fmt: skip


async def test_a_poll_goes_on_until_it_sees_what_it_waits_for(run: Run) -> None:
    run.notes.tell("hold", "look")
    invocation_id = await run.send()
    await run.notes.reaches("look", times=3)

    run.notes.release("look")
    await run.result(invocation_id)

    assert run.notes.log().count("create begins") == 1
    assert run.notes.log()[-1] == "ready ends"


@pytest.mark.parametrize(("step", "held", "begun"), [("create", "create", "create begins"), ("poll", "look", "look")])
async def test_a_cancel_undoes_what_has_been_done(run: Run, step: str, held: str, begun: str) -> None:
    run.notes.tell("hold", held)
    invocation_id = await run.send()
    await run.notes.reaches(begun)

    assert await run.client.cancel(invocation_id)
    run.notes.release(held)

    with pytest.raises(Conflict, match="cancelled"):
        await run.result(invocation_id)
    log = run.notes.log()
    assert run.notes.left() == set()
    assert log.index("create ends") < log.index("undo create")
    assert log[-1] == f"cancelled in {step}"


# A Restate that suspends at once tells of a cancel only when the step has ended.
@pytest.mark.parametrize("client", ["restate"], indirect=True)
async def test_a_cancel_gives_up_a_step_that_hangs(run: Run) -> None:
    run.notes.tell("hold", "create")
    invocation_id = await run.send()
    await run.notes.reaches("create begins")

    assert await run.client.cancel(invocation_id)
    with pytest.raises(Conflict, match="cancelled"):
        async with asyncio.timeout(SOON_SECONDS):
            await run.result(invocation_id)

    log = run.notes.log()
    assert "create ends" not in log
    assert "undo create" in log
    assert log[-1] == "cancelled in create"


async def test_a_cancel_ends_a_step_that_is_tried_again_and_again(run: Run) -> None:
    run.notes.tell("weather", "create")
    invocation_id = await run.send()
    await run.notes.reaches("create begins", times=2)

    assert await run.client.cancel(invocation_id)
    with pytest.raises(Conflict, match="cancelled"):
        async with asyncio.timeout(SOON_SECONDS):
            await run.result(invocation_id)

    assert run.notes.left() == set()
    assert run.notes.log()[-1] == "cancelled in create"


async def test_a_cancel_during_a_call_undoes_the_called_object_before_the_caller(run: Run) -> None:
    run.notes.tell("hold", "route")
    invocation_id = await run.send()
    await run.notes.reaches("route begins")

    assert await run.client.cancel(invocation_id)
    run.notes.release("route")

    with pytest.raises(Conflict, match="cancelled"):
        await run.result(invocation_id)
    log = run.notes.log()
    assert run.notes.left() == set()
    assert log.index("route ends") < log.index("undo route") < log.index("undo create")
    assert log[-1] == "cancelled in assign"


async def test_a_cancel_after_the_commit_changes_nothing(run: Run) -> None:
    run.notes.tell("hold", "ready")
    invocation_id = await run.send()
    await run.notes.reaches("ready begins")

    await run.client.cancel(invocation_id)
    run.notes.release("ready")

    assert b"ready" in await run.result(invocation_id)
    assert not any(entry.startswith("undo") for entry in run.notes.log())


async def test_repeated_cancels_strand_no_undo(run: Run) -> None:
    run.notes.tell("hold", "look")
    invocation_id = await run.send()
    await run.notes.reaches("look")

    for _ in range(3):
        await run.client.cancel(invocation_id)

    with pytest.raises(Conflict, match="cancelled"):
        await run.result(invocation_id)
    assert run.notes.left() == set()
    assert run.notes.log()[-1] == "cancelled in poll"


@pytest.mark.parametrize(("step", "box"), [("create", "create"), ("route", "assign")])
async def test_a_refusal_reaches_the_caller_after_everything_is_undone(run: Run, step: str, box: str) -> None:
    run.notes.tell("refuse", step)

    with pytest.raises(NotFound, match=f"there is no {step}"):
        await run.result(await run.send())

    assert run.notes.log().count(f"{step} begins") == 1
    assert run.notes.left() == set()
    assert run.notes.log()[-1] == f"failed in {box}"


async def test_weather_is_tried_again_until_it_clears(run: Run) -> None:
    run.notes.tell("weather", "create")
    invocation_id = await run.send()
    await run.notes.reaches("create begins", times=2)

    run.notes.clear("create")

    assert b"ready" in await run.result(invocation_id)


async def test_weather_that_stays_is_given_up_and_undone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(policies.STEP, "max_duration", timedelta(milliseconds=300))
    run.notes.tell("weather", "create")

    with pytest.raises(InterlockError, match="create does not answer"):
        await run.result(await run.send())

    assert run.notes.log().count("create begins") > 1
    assert run.notes.left() == set()


async def test_runs_of_one_key_take_turns(run: Run) -> None:
    run.notes.tell("hold", "create")
    first, second = await run.send(), await run.send()
    await run.notes.reaches("create begins")

    waiting = [i for i in await run.client.unfinished_invocations(SAGA) if i.key == run.key]
    run.notes.release("create")
    await asyncio.gather(run.result(first), run.result(second))

    assert [invocation.id for invocation in waiting] == [first, second]
    assert run.notes.log()[:7] == run.notes.log()[7:]


async def test_a_run_that_is_cancelled_in_the_queue_never_begins(run: Run) -> None:
    run.notes.tell("hold", "create")
    first, queued = await run.send(), await run.send()
    await run.notes.reaches("create begins")

    assert not await run.client.cancel(queued)
    run.notes.release("create")
    await run.result(first)

    assert run.notes.log().count("create begins") == 1


async def test_a_private_object_is_not_reached_from_outside(client: tuple[RestateClient, str]) -> None:
    with pytest.raises(InterlockError, match="not public"):
        await client[0].call(CALLED, "p_1", "Assign", REQUEST, timeout=timedelta(seconds=10))
