"""Every step of every handler is refused, before and after its effect: nothing is left, and live does not change."""

from collections.abc import Awaitable, Callable

import pytest

from services.ctrl.enums import status_of
from services.domain.errors import PreconditionFailed
from services.durable.failpoints import Moment
from tests.faults.failpoints import REFUSAL
from tests.faults.world import TwoDeployments, World

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(900)]

# Steps after the commit of a saga. They are repeated until they succeed, so a test cannot refuse them.
COMMITTED = ("status ready", "update live deployment", "select surplus")


async def test_deploy_is_refused(world: World) -> None:
    recording = await world.project()
    await world.deploy(recording, "third")

    async def refuse(name: str) -> None:
        async with world.two() as two:
            async with world.refused_at(two.project, name):
                deployment_id = await world.create(two.project, "third")
                failed = await two.project.ended(deployment_id)

            assert status_of(failed) == "failed"
            assert f"{REFUSAL} at {name}" in failed.failure.reason
            await world.assert_gone(two.project, deployment_id)
            await world.assert_as_before(two)

    await world.each(_refusable(world.reached(recording, "Deploy/", "AssignDomains/")), refuse)


async def test_rollback_is_refused(world: World) -> None:
    async with world.two() as recording:
        await _roll_back(recording)
        names = world.reached(recording.project, "Rollback/", "SwitchDomains/")
        await _promote(recording)

    async def refuse(name: str) -> None:
        async with world.two() as two:
            await _assert_refused(world, two, name, _roll_back)

            await world.assert_as_before(two)

    await world.each(_refusable(names), refuse)


async def test_promote_is_refused(world: World) -> None:
    async with world.two() as recording:
        await _roll_back(recording)
        world.failpoints.watch(recording.project.id)
        await _promote(recording)
        names = world.reached(recording.project, "Promote/", "SwitchDomains/")

    async def refuse(name: str) -> None:
        async with world.two() as two:
            await _roll_back(two)

            await _assert_refused(world, two, name, _promote)

            await world.assert_serves(two.project, live=two.old, newest=two.new, ready=[two.old, two.new], held=True)
            await _promote(two)

    await world.each(_refusable(names), refuse)


def _refusable(names: list[str]) -> list[str]:
    """Return the failpoints before the commit, except those after a step was journaled."""
    return [name for name in names if not name.endswith(f"/{Moment.JOURNALED}") and name.split("/")[1] not in COMMITTED]


async def _roll_back(two: TwoDeployments) -> None:
    await two.project.control.rollback(two.project.slug, two.old)


async def _promote(two: TwoDeployments) -> None:
    await two.project.control.promote(two.project.slug, two.new)


async def _assert_refused(
    world: World, two: TwoDeployments, name: str, operation: Callable[[TwoDeployments], Awaitable[None]]
) -> None:
    before = await world.routing_operations(two.project)

    async with world.refused_at(two.project, name):
        with pytest.raises(PreconditionFailed, match=f"{REFUSAL} at {name}"):
            await operation(two)

    assert await world.routing_operations(two.project) == before
