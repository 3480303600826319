"""The endpoint is killed at every failpoint of every handler and restarted: every effect happens exactly once."""

from pathlib import Path

import pytest

from services.ctrl.enums import status_of
from services.domain.errors import PreconditionFailed
from services.durable.failpoints import Moment
from tests import boxes
from tests.end_to_end.stack import Project
from tests.faults.world import TwoDeployments, World

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(900)]


async def test_the_failpoints_of_deploy_cover_the_flowchart(world: World) -> None:
    project = await world.project()

    await world.deploy(project, "new")

    of_routing = ("assign domains", "await gateways")
    steps = (step for step in boxes.DEPLOY if step not in of_routing)
    calls = {"Deploy/assign domains/before", "Deploy/assign domains/journaled"}
    routing = _failpoints("AssignDomains", *of_routing)
    assert set(world.reached(project, "Deploy/", "AssignDomains/")) == _failpoints("Deploy", *steps) | calls | routing


async def test_deploy_is_killed(world: World) -> None:
    recording = await world.project()
    await world.deploy(recording, "new")

    async def kill(name: str) -> None:
        project = await world.project()

        async with world.killed_at(project, name):
            deployment_id = await world.deploy(project, "new")

        await world.assert_serves(project, live=deployment_id, newest=deployment_id, ready=[deployment_id])
        await world.assert_steps_ended(deployment_id, "deploy")
        assert await world.routing_operations(project) == [("assign", deployment_id)]

    await world.each(world.reached(recording, "Deploy/", "AssignDomains/"), kill)


async def test_a_deploy_with_a_release_command_is_killed(world: World, tmp_path: Path) -> None:
    recording = await world.project()
    await _deploy_with_release_command(world, recording, tmp_path / "recording")
    names = world.reached(recording, "Deploy/start release command/", "Deploy/release command/")
    assert set(names) == _failpoints("Deploy", "start release command", "release command")

    async def kill(name: str) -> None:
        project = await world.project()

        async with world.killed_at(project, name):
            await _deploy_with_release_command(world, project, tmp_path / project.slug)

        assert (tmp_path / project.slug).read_text() == "ran\n"

    await world.each(names, kill)


async def test_rollback_is_killed(world: World) -> None:
    async with world.two() as recording:
        await _roll_back(recording)
        names = world.reached(recording.project, "Rollback/", "SwitchDomains/")
        await _promote(recording)
    assert _failpoints("SwitchDomains", "switch domains", "await gateways") <= set(names)

    async def kill(name: str) -> None:
        async with world.two() as two:
            before = await world.routing_operations(two.project)

            async with world.killed_at(two.project, name):
                await _roll_back(two)

            await _assert_rolled_back(world, two)
            assert await world.routing_operations(two.project) == [*before, ("rollback", two.old)]
            await _promote(two)

    await world.each(names, kill)


async def test_promote_is_killed(world: World) -> None:
    async with world.two() as recording:
        await _roll_back(recording)
        await _promote(recording)
        names = world.reached(recording.project, "Promote/")

    async def kill(name: str) -> None:
        async with world.two() as two:
            await _roll_back(two)
            before = await world.routing_operations(two.project)

            async with world.killed_at(two.project, name):
                await _promote(two)

            await world.assert_as_before(two)
            assert await world.routing_operations(two.project) == [*before, ("promote", two.new)]

    await world.each(names, kill)


async def test_rollback_to_a_stopped_deployment_is_killed(world: World) -> None:
    cold = boxes.COLD_START
    async with world.two() as recording:
        await world.stop_in_krane(recording.project, recording.old)
        await _roll_back(recording)
        names = world.reached(recording.project, *(f"Rollback/{step}/" for step in cold))
        await _promote(recording)
    assert set(names) == _failpoints("Rollback", *cold)

    async def kill(name: str) -> None:
        async with world.two() as two:
            await world.stop_in_krane(two.project, two.old)

            async with world.killed_at(two.project, name):
                await _roll_back(two)

            await _assert_rolled_back(world, two)
            await _promote(two)

    await world.each(names, kill)


async def test_retire_is_killed(world: World) -> None:
    async def kill(name: str) -> None:
        project = await world.project()
        first, second = await world.deploy(project, "old"), await world.deploy(project, "new")

        async with world.killed_at(project, name):
            third = await world.deploy(project, "third")

        assert status_of(await project.control.get_deployment(first)) == "stopped"
        assert world.stack.instance_processes(first) == []
        assert [len(world.stack.instance_processes(kept)) for kept in (second, third)] == [1, 1]
        assert [await project.answers(sticky) for sticky in ("live", "environment", "branch")] == ["third"] * 3

    await world.each(sorted(_failpoints("Retire", *boxes.RETIRE)), kill)


async def test_the_unwinding_of_a_cancelled_deploy_is_killed(world: World) -> None:
    async with world.two() as recording:
        await _cancel_while_waiting(world, recording.project)
        names = world.reached(recording.project, "Deploy/undo: ", "Deploy/record the outcome")
    undos = ("undo: delete instances", "undo: delete from krane", "undo: cancel build", "record the outcome")
    assert set(names) == _failpoints("Deploy", *undos)

    async def kill(name: str) -> None:
        async with world.two() as two:
            async with world.killed_at(two.project, name):
                cancelled = await _cancel_while_waiting(world, two.project)

            await world.assert_gone(two.project, cancelled)
            await world.assert_as_before(two)

    await world.each(names, kill)


@pytest.mark.parametrize(
    ("refusal", "unwinding"),
    [
        pytest.param("AssignDomains/await gateways/effect", ("AssignDomains/undo: ",), id="unacknowledged"),
        pytest.param(
            "Deploy/assign domains/journaled", ("Deploy/undo: restore domains", "RestoreDomains/"), id="acknowledged"
        ),
    ],
)
async def test_the_unwinding_of_a_routed_deploy_is_killed(
    world: World, refusal: str, unwinding: tuple[str, ...]
) -> None:
    async with world.two() as recording:
        await _deploy_refused(world, recording.project, refusal)
        names = world.reached(recording.project, *unwinding)
    assert any(name.endswith("restore domains/effect") for name in names)

    async def kill(name: str) -> None:
        async with world.two() as two:
            async with world.killed_at(two.project, name):
                failed = await _deploy_refused(world, two.project, refusal)

            await world.assert_gone(two.project, failed)
            await world.assert_as_before(two)

    await world.each(names, kill)


async def test_the_unwinding_of_a_refused_rollback_is_killed(world: World) -> None:
    async with world.two() as recording:
        await _cold_rollback_refused(world, recording)
        names = world.reached(recording.project, "Rollback/undo: ", "Rollback/record the outcome")
        await _start_again(recording)
    undos = ("undo: status stopped", "undo: delete instances", "undo: stop in krane", "record the outcome")
    assert _failpoints("Rollback", *undos) <= set(names)

    async def kill(name: str) -> None:
        async with world.two() as two:
            async with world.killed_at(two.project, name):
                await _cold_rollback_refused(world, two)

            assert world.stack.instance_processes(two.old) == []
            assert await two.project.live() == two.new
            answers = [await two.project.answers(sticky) for sticky in ("live", "environment", "branch")]
            assert answers == [world.version(two.new)] * 3
            await _start_again(two)
            await world.assert_as_before(two)

    await world.each(names, kill)


def _failpoints(handler: str, *steps: str) -> set[str]:
    return {f"{handler}/{step}/{moment}" for step in steps for moment in Moment}


async def _roll_back(two: TwoDeployments) -> None:
    await two.project.control.rollback(two.project.slug, two.old)


async def _promote(two: TwoDeployments) -> None:
    await two.project.control.promote(two.project.slug, two.new)


async def _deploy_with_release_command(world: World, project: Project, outside: Path) -> None:
    command = ["python3", "-c", "import os; open(os.environ['OUTSIDE'], 'a').write('ran\\n')"]
    await world.deploy(project, "new", release_command=command, variables={"OUTSIDE": str(outside)})


async def _start_again(two: TwoDeployments) -> None:
    await _roll_back(two)
    await _promote(two)


async def _cancel_while_waiting(world: World, project: Project) -> str:
    stuck = await world.create(project, "stuck", "silent")
    await project.reaches(stuck, "poll until ready")
    assert (await project.control.cancel_deployment(stuck, "no longer wanted")).cancelling
    assert status_of(await project.ended(stuck)) == "cancelled"
    return stuck


async def _deploy_refused(world: World, project: Project, name: str) -> str:
    async with world.refused_at(project, name):
        deployment_id = await world.create(project, "third")
        assert status_of(await project.ended(deployment_id)) == "failed"
    return deployment_id


async def _cold_rollback_refused(world: World, two: TwoDeployments) -> None:
    await world.stop_in_krane(two.project, two.old)
    async with world.refused_at(two.project, "Rollback/switch domains/journaled"):
        with pytest.raises(PreconditionFailed):
            await _roll_back(two)


async def _assert_rolled_back(world: World, two: TwoDeployments) -> None:
    await world.assert_serves(two.project, live=two.old, newest=two.new, ready=[two.old, two.new], held=True)
