"""Cancelling, from every door and in every phase: nothing is left, live is untouched."""

import asyncio

import httpx
import pytest

from services.ctrl.enums import status_of
from tests.end_to_end.stack import Project, Stack, eventually

# What is promised; benchmarks/emergencies.py measures what is needed, which is a small part of it.
ACKNOWLEDGED_SECONDS = 1.0
# From the acknowledgement, or from the parts that are needed being back.
CLEAN_SECONDS = 5.0
# How long a part hangs on after the cancel was acknowledged.
HANGS_SECONDS = 3.0
# An endpoint that was killed has to start, and Restate pauses for up to 2 s between attempts.
RESTARTED_SECONDS = 10.0


@pytest.mark.parametrize("door", ["api", "admin"])
async def test_cancel_while_it_waits_to_become_ready(project: Project, door: str) -> None:
    good = await project.deploy("good")
    stuck = await project.create("stuck", behaviour="silent", commit="2222222")
    await project.reaches(stuck.id, "poll until ready")

    await _cancel(project, stuck.id, door)

    cancelled = await project.ended(stuck.id, timeout=CLEAN_SECONDS)
    assert status_of(cancelled) == "cancelled"
    assert cancelled.failure.step in ("poll until ready", "upsert instances")
    await project.assert_gone(stuck.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"


@pytest.mark.parametrize("door", ["api", "admin"])
async def test_cancel_while_it_builds(project: Project, door: str) -> None:
    source = await project.source("slow", files={"setup.py": SLOW_SETUP, "pyproject.toml": SLOW_PROJECT})
    building = await project.create("slow", source=source)
    await project.reaches(building.id, "build")

    await _cancel(project, building.id, door)

    cancelled = await project.ended(building.id, timeout=CLEAN_SECONDS)
    assert status_of(cancelled) == "cancelled"
    assert cancelled.failure.step == "build"
    await project.assert_gone(building.id)


async def test_cancel_while_queued_settles_the_row_without_running_it(project: Project) -> None:
    running = await project.create("running", behaviour="slow")
    await project.reaches(running.id, "poll until ready")
    queued = await project.create("queued", commit="2222222")

    answer = await project.control.cancel_deployment(queued.id, "changed my mind")

    assert answer.cancelling
    cancelled = await project.ended(queued.id, timeout=CLEAN_SECONDS)
    assert status_of(cancelled) == "cancelled"
    assert cancelled.failure.reason == "changed my mind"
    assert not cancelled.steps
    assert status_of(await project.ended(running.id)) == "ready"


async def test_cancel_of_what_has_ended_does_nothing(project: Project) -> None:
    deployed = await project.deploy("one")

    answer = await project.control.cancel_deployment(deployed.id)

    assert not answer.cancelling
    assert status_of(await project.control.get_deployment(deployed.id)) == "ready"
    assert await project.answers("live") == "one"


async def test_two_cancels_are_one(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")

    await project.control.cancel_deployment(stuck.id, "first")
    await project.control.cancel_deployment(stuck.id, "second")

    cancelled = await project.ended(stuck.id, timeout=CLEAN_SECONDS)
    assert status_of(cancelled) == "cancelled"
    await project.assert_gone(stuck.id)


async def test_cancel_and_cancel_again_while_krane_hangs(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")
    invocation_id = (await project.control.get_deployment(stuck.id)).invocation_id

    with project.stack.hanging("krane"):
        await _acknowledged(project, stuck.id)
        await eventually(lambda: _is_unwinding(project, invocation_id), "it to unwind")
        await _acknowledged(project, stuck.id)
        await asyncio.sleep(HANGS_SECONDS)

    assert status_of(await project.ended(stuck.id, timeout=CLEAN_SECONDS)) == "cancelled"
    await project.assert_gone(stuck.id)


async def test_cancel_while_a_step_is_in_a_call_to_a_krane_that_hangs(project: Project) -> None:
    created = await project.create("created")
    await project.reaches(created.id, "start build")

    with project.stack.hanging("krane"):
        await _acknowledged(project, created.id)
        await asyncio.sleep(HANGS_SECONDS)

    assert status_of(await project.ended(created.id, timeout=CLEAN_SECONDS)) == "cancelled"
    await project.assert_gone(created.id)


async def test_cancel_while_an_app_does_not_finish_to_answer(project: Project) -> None:
    dripping = await project.create("dripping", behaviour="drip")
    await project.reaches(dripping.id, "scrape OpenAPI")

    await _acknowledged(project, dripping.id)

    assert status_of(await project.ended(dripping.id, timeout=CLEAN_SECONDS)) == "cancelled"
    await project.assert_gone(dripping.id)


async def test_cancel_while_the_endpoint_is_down(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")

    old = project.stack.kill("endpoint")
    await _acknowledged(project, stuck.id)
    await project.stack.restarted("endpoint", old)

    assert status_of(await project.ended(stuck.id, timeout=RESTARTED_SECONDS + CLEAN_SECONDS)) == "cancelled"
    await project.assert_gone(stuck.id)


async def test_cancel_while_gateways_follow_brings_the_routes_back(project: Project) -> None:
    good = await project.deploy("good", commit="1111111")

    with project.stack.hanging("gateway"):
        late = await project.create("late", commit="2222222")
        await project.reaches(late.id, "await gateways")
        assert await project.live() == late.id
        await _acknowledged(project, late.id)
        await asyncio.sleep(HANGS_SECONDS)

    assert status_of(await project.ended(late.id, timeout=CLEAN_SECONDS)) == "cancelled"
    await project.assert_gone(late.id)
    assert await project.live() == good.id
    assert [await project.answers(s) for s in ("live", "environment", "branch")] == ["good"] * 3


async def test_cancel_at_any_moment_wins_or_loses_whole(project: Project, stack: Stack) -> None:
    """Cancels strewn over the whole run: each ends as cancelled with nothing left, or as ready with all of it."""
    for n in range(8):
        created = await project.create(f"v{n}", commit=f"{n}{n}{n}{n}{n}{n}{n}")

        async def far_enough(deployment_id: str = created.id, steps: int = 2 * n) -> bool:
            found = await project.control.get_deployment(deployment_id)
            return len(found.steps) >= steps or status_of(found) == "ready"

        await eventually(far_enough, f"{2 * n} steps")
        await project.control.cancel_deployment(created.id)
        ended = await project.ended(created.id, timeout=CLEAN_SECONDS)

        if status_of(ended) == "cancelled":
            await project.assert_gone(created.id)
            assert await project.live() != created.id
        else:
            assert status_of(ended) == "ready"
            assert await project.live() == created.id
            assert await project.answers("live") == f"v{n}"


async def _acknowledged(project: Project, deployment_id: str) -> None:
    answer = await asyncio.wait_for(project.control.cancel_deployment(deployment_id), ACKNOWLEDGED_SECONDS)
    assert answer.cancelling


async def _is_unwinding(project: Project, invocation_id: str) -> bool:
    query = f"select count(*) as undos from sys_journal where id = '{invocation_id}' and name like 'undo: %'"
    async with httpx.AsyncClient(trust_env=False, headers={"accept": "application/json"}) as client:
        answer = await client.post(f"{project.stack.ready['admin']}/query", json={"query": query})
    return answer.json()["rows"][0]["undos"] > 0


async def _cancel(project: Project, deployment_id: str, door: str) -> None:
    if door == "api":
        assert (await project.control.cancel_deployment(deployment_id, "no longer wanted")).cancelling
        return
    invocation_id = (await project.control.get_deployment(deployment_id)).invocation_id
    async with project.stack.restate() as restate:
        assert await restate.cancel(invocation_id)


SLOW_PROJECT = (
    '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n\n[project]\nname = "slow"\n'
)
SLOW_SETUP = "import time\ntime.sleep(120)\n"
