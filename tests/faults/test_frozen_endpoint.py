"""An endpoint freezes during a switch, another takes over, and then the first one continues.

By then its operations were abandoned, so what it was about to write must not be written.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

import services
from services.config import LOOPBACK
from services.domain.status import DeploymentStatus
from services.durable.failpoints import Moment
from services.durable.serving import code_revision
from tests.end_to_end.stack import ROOT, Project, eventually
from tests.faults.conftest import HASTY, SETTINGS, TAKES_MINUTES
from tests.faults.held import hold_deploy, hold_rollback
from tests.faults.world import SERVICES, TwoDeployments, World, installation

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(900)]

# Before the transaction begins, and after it was committed but not reported.
MOMENTS = (Moment.BEFORE, Moment.EFFECT)


@pytest.mark.parametrize("seconds", [5.0, pytest.param(90.0, marks=TAKES_MINUTES)])
async def test_what_wakes_up_writes_nothing_over_what_came_after(tmp_path: Path, seconds: float) -> None:
    async with installation(tmp_path, SETTINGS | HASTY) as world:
        deploys = await asyncio.gather(
            *(hold_deploy(world, f"AssignDomains/assign domains/{moment}") for moment in MOMENTS)
        )
        rollbacks = await asyncio.gather(
            *(hold_rollback(world, f"SwitchDomains/switch domains/{moment}") for moment in MOMENTS)
        )
        held = [*deploys, *rollbacks]

        async with frozen(world, seconds) as pid, second_endpoint(world, pid):
            await asyncio.gather(*(_abandon(world, operation.two.project) for operation in held))
            for deploy in deploys:
                assert await world.ended(deploy.deployment_id) is DeploymentStatus.FAILED
            after = await asyncio.gather(*(_move_on(world, operation.two) for operation in held))
            before = [await world.routing_operations(two.project) for two in after]
            for operation in held:
                operation.let_go()

        for operation in held:
            await world.passed(operation.two.project, operation.name)
        for two, operations in zip(after, before, strict=True):
            assert await world.routing_operations(two.project) == operations
            await world.assert_as_before(two)
        for deploy in deploys:
            await world.assert_gone(deploy.two.project, deploy.deployment_id)


@asynccontextmanager
async def frozen(world: World, seconds: float) -> AsyncGenerator[int]:
    """Freeze the endpoint during the block, at least for this time; yields its process id."""
    pid, until = world.stack.kill("endpoint", signal.SIGSTOP), time.monotonic() + seconds
    try:
        yield pid
        await asyncio.sleep(until - time.monotonic())
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def second_endpoint(world: World, first_pid: int) -> AsyncGenerator[None]:
    """Run another endpoint without failpoints, and register it: Restate sends new invocations to it."""
    variables = (Path("/proc") / str(first_pid) / "environ").read_text().rstrip("\0").split("\0")
    environment = dict(variable.split("=", 1) for variable in variables)
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = probe.getsockname()[1]
    environment["INTERLOCK_ENDPOINT__PORT"] = str(port)
    with (world.stack.data_dir / "logs" / "second-endpoint.log").open("wb") as log:
        argv = (sys.executable, "-m", "services.deployment")
        process = await asyncio.create_subprocess_exec(*argv, env=environment, cwd=ROOT, stdout=log, stderr=log)
    uri = f"http://{LOOPBACK}:{port}/rev-{code_revision(Path(services.__file__).parent)}"
    try:
        async with world.stack.restate() as restate:
            await eventually(lambda: restate.is_registered(uri), "the second endpoint to be registered")
        yield
    finally:
        process.terminate()
        await process.wait()


async def _abandon(world: World, project: Project) -> None:
    """Make Restate drop the project's invocations without an undo."""
    async with world.stack.restate() as restate, httpx.AsyncClient(trust_env=False, verify=False) as client:
        for invocation in await restate.unfinished_invocations(SERVICES[0]):
            if invocation.key != project.id:
                continue
            answer = await client.patch(f"{world.stack.ready['admin']}/invocations/{invocation.id}/kill")
            assert answer.is_success, answer.text
    await world.settled(project)


async def _move_on(world: World, two: TwoDeployments) -> TwoDeployments:
    """Deploy once more, and make that the project's newer deployment."""
    if await two.project.live() == two.old:
        await two.project.control.promote(two.project.slug, two.new)
    newer = await world.deploy(two.project, "newer")
    await world.assert_retired(two.project, two.old)
    return TwoDeployments(two.project, two.new, newer)
