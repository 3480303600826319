"""The story: two versions, a rollback, a promote, a cancel, and a kill -9 in the middle of a deployment."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import httpx
from rich.console import Console

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.domain.errors import InterlockError
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb
from services.runtime.demo.installation import Installation
from services.runtime.demo.story import Deviation, Story, expect
from services.runtime.demo.team import ENDED, PROJECT, Team

INTRODUCTION = """\
This demo starts interlock in a temporary folder and deploys a small web app several times. Every line below comes from
the running system and is checked. Nothing is left behind.\
"""
WORKING = frozenset({DeploymentStatus.BUILDING, DeploymentStatus.DEPLOYING, DeploymentStatus.NETWORK})


async def tell(story: Story, installation: Installation) -> None:
    """The story."""
    with story.chapter("Start interlock", "Each part is a process of this machine. Their process ids:"):
        ready = await installation.start()
        story.fact(", ".join(f"{name} {pid}" for name, pid in ready.pids.items()))
    async with ControlClient(ready.ctrl_grpc) as client, httpx.AsyncClient(base_url=ready.gateway) as gateway:
        team = Team(story, client, gateway)
        await client.create_project(PROJECT)
        await deploy_two_versions(story, team)
        await roll_back_and_promote(story, team, client)
        await cancel_a_deployment(story, team, client)
        await kill_the_endpoint(story, team, installation)
        instances = await team.instances()
    with story.chapter("Stop interlock", "All parts and all apps end."):
        await stop_everything(story, installation, instances)


async def deploy_two_versions(story: Story, team: Team) -> None:
    """Every hostname follows the newest deployment, but those of a commit."""
    with story.chapter(
        "Deploy version 1.0", "It is built, started, checked and routed. Then each of its hostnames is asked:"
    ):
        await team.deploy("1.0")
        await team.check_hostnames(_all("1.0"))
    with story.chapter(
        "Deploy version 2.0",
        "Branch, environment and live follow the new version. The hostname of a commit never moves:",
    ):
        await team.deploy("2.0")
        await team.check_hostnames(_all("2.0"))


async def roll_back_and_promote(story: Story, team: Team, client: ControlClient) -> None:
    """Environment and live go back, the branch does not; promote ends that."""
    with story.chapter(
        "Roll back",
        "Environment and live go back to version 1.0, in one transaction. It still runs, so nothing starts:",
    ):
        rollback = await client.rollback(PROJECT)
        await team.check_hostnames({Sticky.BRANCH: "2.0", Sticky.ENVIRONMENT: "1.0", Sticky.LIVE: "1.0"})
        await _expect_rolled_back(client, True)
    with story.chapter("Promote version 2.0", "It becomes live again:"):
        await client.promote(PROJECT, rollback.source_deployment_id)
        await team.check_hostnames(_all("2.0"))
        await _expect_rolled_back(client, False)


async def cancel_a_deployment(story: Story, team: Team, client: ControlClient) -> None:
    """A cancelled deployment leaves nothing behind and live untouched."""
    with story.chapter(
        "Deploy version 3.0, and cancel it half way",
        "What it did is undone. No hostname moves, and version 2.0 stays live:",
    ):
        deployment_id = await team.create_deployment("3.0")
        deployment = await team.wait_for(deployment_id, WORKING | ENDED)
        story.fact(f"{deployment_id} is {status_of(deployment)}: cancel it")
        await client.cancel_deployment(deployment_id, "shown in the demo")
        await team.finish(deployment_id, DeploymentStatus.CANCELLED)
        await team.check_hostnames(_all("2.0"))


async def kill_the_endpoint(story: Story, team: Team, installation: Installation) -> None:
    """A deployment outlives the process that works on it."""
    with story.chapter(
        "Deploy version 4.0, and kill a process half way",
        "kill -9 ends the endpoint, which runs the workflow. A new endpoint goes on where it was:",
    ):
        deployment_id = await team.create_deployment("4.0")
        deployment = await team.wait_for(deployment_id, WORKING | ENDED)
        killed = installation.ready().pids["endpoint"]
        story.fact(f"{deployment_id} is {status_of(deployment)}: kill -9 {killed}")
        os.kill(killed, signal.SIGKILL)
        finished = await team.finish(deployment_id, DeploymentStatus.READY)
        names = [step.name for step in finished.steps]
        expect("steps recorded twice", expected=[], seen=sorted({name for name in names if names.count(name) > 1}))
        expect("another endpoint process", expected=True, seen=installation.ready().pids["endpoint"] != killed)
        story.fact(
            f"{len(names)} steps, none twice; the endpoint is now process {installation.ready().pids['endpoint']}"
        )
        await team.check_hostnames(_all("4.0"))


async def stop_everything(story: Story, installation: Installation, instances: Collection[pb.Instance]) -> None:
    """No part and no instance is left."""
    pids = installation.ready().pids
    await installation.stop()
    expect("parts left running", expected=[], seen=[name for name, pid in pids.items() if _is_running(pid)])
    expect("instances left", expected=[], seen=[it.id for it in instances if await _accepts_connections(it.address)])
    story.fact(f"{len(pids)} parts and {len(instances)} app instances have ended; nothing is left running")


async def main() -> int:
    """Tell the story; returns the exit code."""
    story = Story(Console(highlight=False))
    story.begin(INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="interlock-demo-") as folder:
        installation = Installation(Path(folder))
        try:
            await tell(story, installation)
        except (Deviation, InterlockError, httpx.HTTPError) as error:
            story.fail(str(error))
            for line in installation.last_words():
                story.fact(line)
            return 1
        finally:
            await installation.stop()
    story.end()
    return 0


async def _expect_rolled_back(client: ControlClient, expected: bool) -> None:
    status = await client.project_status(PROJECT)
    expect("the project is rolled back", expected=expected, seen=status.project.is_rolled_back)


def _all(version: str) -> dict[Sticky, str]:
    return {sticky: version for sticky in Sticky if sticky is not Sticky.COMMIT}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _accepts_connections(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit(130)
