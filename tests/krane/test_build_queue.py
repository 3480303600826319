"""Whose turn it is to build."""

import asyncio
from dataclasses import dataclass, field

from services.krane.backends.building.queue import BuildQueue
from services.krane.types import BuildPriority


@dataclass
class Builders:
    """Builds that run until they are told to end."""

    queue: BuildQueue
    running: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)

    async def begin(self, name: str, workspace: str = "acme", priority: BuildPriority = BuildPriority.NORMAL) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._build(name, workspace, priority))
        await asyncio.sleep(0)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait([self.tasks[name]])
        await asyncio.sleep(0)

    async def _build(self, name: str, workspace: str, priority: BuildPriority) -> None:
        async with self.queue.turn(workspace, priority, self.told.append):
            self.running.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.running.remove(name)


async def test_no_more_builds_run_than_are_allowed_and_who_came_first_is_next() -> None:
    builders = Builders(BuildQueue(2, 2))

    for name in ("one", "two", "three", "four"):
        await builders.begin(name)
    assert builders.running == ["one", "two"]
    await builders.end("two")

    assert builders.running == ["one", "three"]
    assert builders.told == ["waiting: 2 other builds are running"] * 2
    await builders.end("one")
    await builders.end("three")
    await builders.end("four")


async def test_production_is_built_before_previews_that_waited_longer() -> None:
    builders = Builders(BuildQueue(1, 1))
    await builders.begin("running")
    await builders.begin("preview")
    await builders.begin("production", priority=BuildPriority.PRODUCTION)

    await builders.end("running")

    assert builders.running == ["production"]
    await builders.end("production")
    await builders.end("preview")


async def test_a_workspace_at_its_limit_lets_others_pass() -> None:
    builders = Builders(BuildQueue(2, 1))
    await builders.begin("first")
    await builders.begin("second", priority=BuildPriority.PRODUCTION)

    await builders.begin("other", workspace="umbrella")

    assert builders.running == ["first", "other"]
    assert builders.told == ["waiting: 1 of the workspace's builds are running"]
    await builders.end("first")
    assert builders.running == ["other", "second"]
    await builders.end("other")
    await builders.end("second")


async def test_who_is_cancelled_gives_way_whether_it_waits_or_builds() -> None:
    builders = Builders(BuildQueue(1, 1))
    for name in ("running", "waiting", "last"):
        await builders.begin(name)

    await builders.cancel("waiting")
    await builders.cancel("running")

    assert builders.running == ["last"]
    await builders.end("last")
