"""Cancelling, from every door and in every phase: nothing is left, live is untouched."""

import pytest

from tests.end_to_end.stack import Project, Stack, eventually


@pytest.mark.parametrize("door", ["api", "admin"])
async def test_cancel_while_it_waits_to_become_ready(project: Project, door: str) -> None:
    good = await project.deploy("good")
    stuck = await project.create("stuck", behaviour="silent", commit="2222222")
    await project.reaches(stuck.id, "poll until ready")

    await _cancel(project, stuck.id, door)

    cancelled = await project.ended(stuck.id, timeout=5)
    assert cancelled.status == "cancelled"
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

    cancelled = await project.ended(building.id, timeout=8)
    assert cancelled.status == "cancelled"
    assert cancelled.failure.step == "build"
    await project.assert_gone(building.id)


async def test_cancel_while_queued_settles_the_row_without_running_it(project: Project) -> None:
    running = await project.create("running", behaviour="slow")
    queued = await project.create("queued", commit="2222222")
    await project.reaches(running.id, "poll until ready")

    answer = await project.control.cancel_deployment(queued.id, "changed my mind")

    assert answer.cancelling
    cancelled = await project.ended(queued.id, timeout=5)
    assert cancelled.status == "cancelled"
    assert cancelled.failure.reason == "changed my mind"
    assert not cancelled.steps
    assert (await project.ended(running.id)).status == "ready"


async def test_cancel_of_what_has_ended_does_nothing(project: Project) -> None:
    deployed = await project.deploy("one")

    answer = await project.control.cancel_deployment(deployed.id)

    assert not answer.cancelling
    assert (await project.control.get_deployment(deployed.id)).status == "ready"
    assert await project.answers("live") == "one"


async def test_two_cancels_are_one(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")

    await project.control.cancel_deployment(stuck.id, "first")
    await project.control.cancel_deployment(stuck.id, "second")

    cancelled = await project.ended(stuck.id, timeout=8)
    assert cancelled.status == "cancelled"
    await project.assert_gone(stuck.id)


async def test_cancel_at_any_moment_wins_or_loses_whole(project: Project, stack: Stack) -> None:
    """Cancels strewn over the whole run: each ends as cancelled with nothing left, or as ready with all of it."""
    for n in range(8):
        created = await project.create(f"v{n}", commit=f"{n}{n}{n}{n}{n}{n}{n}")

        async def far_enough(deployment_id: str = created.id, steps: int = 2 * n) -> bool:
            found = await project.control.get_deployment(deployment_id)
            return len(found.steps) >= steps or found.status == "ready"

        await eventually(far_enough, f"{2 * n} steps")
        await project.control.cancel_deployment(created.id)
        ended = await project.ended(created.id, timeout=10)

        if ended.status == "cancelled":
            await project.assert_gone(created.id)
            assert await project.live() != created.id
        else:
            assert ended.status == "ready"
            assert await project.live() == created.id
            assert await project.answers("live") == f"v{n}"


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
