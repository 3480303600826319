"""Parts are killed; operations finish, exactly once, and traffic goes on."""

import asyncio
import signal
from contextlib import suppress

import httpx
import pytest

from services.ctrl.enums import status_of
from tests.end_to_end.stack import Project, eventually

# Whatever is killed here, replays follow; suspending at every await as well adds nothing.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)


@pytest.mark.parametrize("step", ["build", "poll until ready", "assign domains"])
async def test_the_endpoint_is_killed_in_the_middle_of_a_deploy(project: Project, step: str) -> None:
    created = await project.create("survivor", behaviour="slow")
    await project.reaches(created.id, step)

    old = project.stack.kill("endpoint")
    await project.stack.restarted("endpoint", old)

    deployed = await project.ended(created.id)
    assert status_of(deployed) == "ready"
    assert len({s.name for s in deployed.steps}) == len(deployed.steps)
    assert len(deployed.instances) == 1
    assert await project.answers("live") == "survivor"
    operations = await project.stack.sql("select id from routing_operations where project_id = :id", id=project.id)
    assert len(operations) == 1


async def test_a_sigterm_of_the_endpoint_suspends_and_the_deploy_goes_on(project: Project) -> None:
    created = await project.create("patient", behaviour="slow")
    await project.reaches(created.id, "poll until ready")

    old = project.stack.kill("endpoint", signal.SIGTERM)
    await project.stack.restarted("endpoint", old)

    assert status_of(await project.ended(created.id)) == "ready"


@pytest.mark.parametrize("part", ["restate", "krane", "ctrl", "gateway"])
async def test_a_part_is_killed_in_the_middle_of_a_deploy(project: Project, part: str) -> None:
    created = await project.create("survivor", behaviour="slow")
    await project.reaches(created.id, "poll until ready")

    old = project.stack.kill(part)
    await project.stack.restarted(part, old)

    async def ended() -> bool:
        with suppress(Exception):
            return status_of(await project.control.get_deployment(created.id)) == "ready"
        return False

    await eventually(ended, "the deployment to become ready", timeout=60)
    assert await project.answers("live") == "survivor"


async def test_instances_live_on_when_krane_is_killed(project: Project) -> None:
    deployed = await project.deploy("steady")
    before = set(project.stack.instance_processes(deployed.id))

    old = project.stack.kill("krane")
    assert await project.answers("live") == "steady"
    await project.stack.restarted("krane", old)

    assert set(project.stack.instance_processes(deployed.id)) == before
    assert await project.answers("live") == "steady"


async def test_traffic_goes_on_when_the_gateway_agent_is_killed_and_switches_work_after(project: Project) -> None:
    await project.deploy("old", commit="1111111")
    live = await project.hostname("live")

    old = project.stack.kill("gateway")
    for _ in range(20):
        assert (await project.stack.get(live)).json()["version"] == "old"
    await project.stack.restarted("gateway", old)

    assert status_of(await project.deploy("new", commit="2222222")) == "ready"
    assert await project.answers("live") == "new"


async def test_envoy_comes_back_with_the_routes(project: Project) -> None:
    await project.deploy("routed")
    live = await project.hostname("live")

    old = project.stack.kill("envoy")
    await project.stack.restarted("envoy", old)

    async def answers() -> bool:
        with suppress(httpx.HTTPError):
            return (await project.stack.get(live)).json()["version"] == "routed"
        return False

    await eventually(answers, "the hostname to answer again")


async def test_no_request_fails_while_live_moves(project: Project) -> None:
    old = await project.deploy("old", commit="1111111")
    new = await project.deploy("new", commit="2222222")
    live = await project.hostname("live")
    statuses: dict[int, int] = {}
    done = asyncio.Event()

    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            while not done.is_set():
                answer = await client.get(project.stack.ready["gateway"], headers={"host": live})
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    askers = [asyncio.create_task(ask()) for _ in range(4)]
    for _ in range(3):
        await project.control.rollback(project.slug, old.id)
        await project.control.promote(project.slug, new.id)
    done.set()
    await asyncio.gather(*askers)

    assert set(statuses) == {200}
    assert statuses[200] > 20
