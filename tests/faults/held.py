"""Operations held at a failpoint, so that tests can harm other parts in exactly that phase.

`hold` starts operations and returns when they are held. Then the test does its harm, calls `let_go`, and asserts the
outcome.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from services.domain.errors import InterlockError
from services.domain.status import DeploymentStatus
from tests.end_to_end.stack import eventually
from tests.faults.world import TwoDeployments, World

AT_ONCE = 6
# One failpoint in each phase of a deploy and a rollback, for faults that are too slow to be tried at every failpoint.
PHASES = (
    *("Deploy/build/before", "Deploy/create in krane/effect", "Deploy/poll until ready/before"),
    *("Deploy/scrape OpenAPI/before", "Deploy/build domains/effect", "AssignDomains/assign domains/effect"),
    *("AssignDomains/await gateways/before", "Deploy/assign domains/journaled"),
    *("Rollback/validate deployments/before", "SwitchDomains/switch domains/effect"),
    "SwitchDomains/await gateways/before",
)

# Files of a source that takes two seconds to build.
SLOW_BUILD = {
    "pyproject.toml": (
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n\n'
        '[project]\nname = "slow"\nversion = "1"\n'
    ),
    "slow.py": """
import time
import zipfile

def build_wheel(folder, *_):
    time.sleep(2)
    with zipfile.ZipFile(f"{folder}/slow-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("slow-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: slow\\nVersion: 1\\n")
        wheel.writestr("slow-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("slow-1.dist-info/RECORD", "")
    return "slow-1-py3-none-any.whl"
""",
}


class HeldOperation(Protocol):
    """An operation that is held at a failpoint."""

    def let_go(self) -> None:
        """Let it continue."""
        ...

    async def assert_done(self) -> None:
        """Wait for its end, and assert that it has happened once and nothing else has."""
        ...

    async def assert_done_or_undone(self) -> None:
        """Wait for its end, and assert that either it has happened or nothing has."""
        ...


@dataclass(frozen=True, slots=True)
class HeldDeploy:
    """A held deploy of a third deployment in a project of two."""

    world: World
    two: TwoDeployments
    name: str
    operations_before: Sequence[tuple[str, str]]
    deployment_id: str

    def let_go(self) -> None:
        self.world.failpoints.disarm(self.two.project.id, self.name)

    async def assert_done(self) -> None:
        assert await self._end() is DeploymentStatus.READY
        await self._assert_happened()

    async def assert_done_or_undone(self) -> None:
        if await self._end() is DeploymentStatus.READY:
            await self._assert_happened()
        else:
            await self._assert_undone()

    async def assert_undone(self) -> None:
        """Wait for its end, and assert that it failed and nothing has happened."""
        assert await self._end() is DeploymentStatus.FAILED
        await self._assert_undone()

    async def cancel(self) -> None:
        assert (await self.two.project.control.cancel_deployment(self.deployment_id, "no longer wanted")).cancelling

    async def assert_cancelled(self) -> None:
        """Wait for its end, and assert that the cancel has undone it."""
        assert await self._end() is DeploymentStatus.CANCELLED
        await self._assert_undone()

    async def _end(self) -> DeploymentStatus:
        status = await self.world.ended(self.deployment_id)
        await self.world.settled(self.two.project)
        return status

    async def _assert_happened(self) -> None:
        after = TwoDeployments(self.two.project, self.two.new, self.deployment_id)
        await self.world.assert_retired(self.two.project, self.two.old)
        await self.world.assert_as_before(after)
        await self.world.assert_steps_ended(self.deployment_id, "deploy")
        operations = await self.world.routing_operations(self.two.project)
        assert operations == [*self.operations_before, ("assign", self.deployment_id)]
        self.world.give_back(after)

    async def _assert_undone(self) -> None:
        await self.world.assert_gone(self.two.project, self.deployment_id)
        await self.world.assert_as_before(self.two)
        assert await self.world.routing_operations(self.two.project) == self.operations_before


@dataclass(frozen=True, slots=True)
class HeldRollback:
    """A held rollback of a project from its newer deployment to the older one."""

    world: World
    two: TwoDeployments
    name: str
    operations_before: Sequence[tuple[str, str]]
    asked: asyncio.Task[None]

    def let_go(self) -> None:
        self.world.failpoints.disarm(self.two.project.id, self.name)

    async def assert_done(self) -> None:
        async def has_moved() -> bool:
            return await self.two.project.live() == self.two.old

        await self.asked
        # The request may have failed with the part that was killed, and a Restate that has just restarted may not have
        # resumed the rollback yet.
        await eventually(has_moved, f"{self.two.project.slug} to be rolled back", timeout=60)
        await self._end()
        await self._assert_happened()
        await self._give_back()

    async def assert_done_or_undone(self) -> None:
        await self._end()
        if await self.two.project.live() == self.two.old:
            await self._assert_happened()
        else:
            await self.world.assert_as_before(self.two)
            assert await self.world.routing_operations(self.two.project) == self.operations_before

    async def _end(self) -> None:
        await self.asked
        await self.world.settled(self.two.project)

    async def _assert_happened(self) -> None:
        old, new = self.two.old, self.two.new
        await self.world.assert_serves(self.two.project, live=old, newest=new, ready=[old, new], held=True)
        operations = await self.world.routing_operations(self.two.project)
        assert operations == [*self.operations_before, ("rollback", old)]

    async def _give_back(self) -> None:
        await self.two.project.control.promote(self.two.project.slug, self.two.new)
        self.world.give_back(self.two)


async def record(world: World) -> list[str]:
    """Return the failpoints that a deploy and a rollback reach."""
    project = await world.project()
    await world.deploy(project, "new")
    async with world.two() as two:
        await two.project.control.rollback(two.project.slug, two.old)
        moving = world.reached(two.project, "Rollback/", "SwitchDomains/")
        await two.project.control.promote(two.project.slug, two.new)
    return world.reached(project, "Deploy/", "AssignDomains/") + moving


def batches(names: Sequence[str]) -> list[Sequence[str]]:
    """Split the failpoints so that a small machine can hold all operations of a batch at once."""
    return [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]


async def hold(world: World, names: Sequence[str]) -> list[HeldOperation]:
    """Start an operation for each failpoint, each in its own project, and hold it there."""

    async def begin(name: str) -> HeldOperation:
        if name.startswith(("Deploy/", "AssignDomains/")):
            return await hold_deploy(world, name)
        return await hold_rollback(world, name)

    return await asyncio.gather(*map(begin, names))


async def hold_deploy(world: World, name: str) -> HeldDeploy:
    """Start a deploy and hold it."""
    two = await world.take_two()
    before = await world.routing_operations(two.project)
    world.hold(two.project, name)
    if name.split("/")[1] in ("start build", "build"):
        # A new source, so that its build is still running when it is held.
        deployment_id = await world.create(two.project, f"slow-{two.project.slug}-{len(before)}", files=SLOW_BUILD)
    else:
        deployment_id = await world.create(two.project, f"number-{len(before)}")
    await world.held(two.project, name)
    return HeldDeploy(world, two, name, before, deployment_id)


async def hold_rollback(world: World, name: str) -> HeldRollback:
    """Start a rollback and hold it."""
    two = await world.take_two()
    before = await world.routing_operations(two.project)
    world.hold(two.project, name)
    asked = asyncio.create_task(_ask_for_rollback(two))
    await world.held(two.project, name)
    return HeldRollback(world, two, name, before, asked)


async def _ask_for_rollback(two: TwoDeployments) -> None:
    # The fault may hit the part that would answer.
    with suppress(InterlockError):
        await two.project.control.rollback(two.project.slug, two.old)
