"""A task that is cancelled while its start still looks for the image, which may have to be pulled, never begins."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import pytest

from services.domain.errors import Conflict
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.hosted.tasks import HostedTasks, Prepared
from services.krane.backends.shared.folders import Folders
from services.krane.backends.supervision.ending import NEVER_RAN, Ending
from services.krane.types import TaskSpec
from tests.krane.commands import task
from tests.krane.support import NAMESPACE


class SlowDriver:
    """Looks for an image until it is let go on; notes what it is asked."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.is_found = asyncio.Event()
        self.asked: list[str] = []

    async def unrecorded(self, known: Collection[str]) -> list[TaskSpec]:
        return []

    def may_have_begun(self, spec: TaskSpec) -> bool:
        return False

    async def prepare(self, spec: TaskSpec, environment: Mapping[str, str]) -> Prepared:
        self.asked.append("prepare")
        self.is_asked.set()
        await self.is_found.wait()
        return Prepared(self, self.begin)

    async def begin(self) -> None:
        self.asked.append("begin")

    def find(self, spec: TaskSpec) -> "SlowDriver":
        return self

    async def wait(self) -> Ending:
        return NEVER_RAN

    async def stop(self) -> None:
        self.asked.append("stop")

    async def clear(self, namespace: str, task_id: str) -> None:
        self.asked.append("clear")


async def test_a_task_that_is_deleted_while_its_image_is_looked_for_never_begins(tmp_path: Path) -> None:
    driver = SlowDriver()
    # Nobody asks for a log here.
    tasks = HostedTasks(Folders(tmp_path), driver, cast(Driver, None))
    await tasks.open()
    starting = asyncio.create_task(tasks.start(task("late-1", "image", ""), {}))
    await driver.is_asked.wait()
    deleting = asyncio.create_task(tasks.delete(NAMESPACE, "late-1"))
    # Not for a time: so often everybody else has a turn.
    for _ in range(5):
        await asyncio.sleep(0)

    driver.is_found.set()

    with pytest.raises(Conflict, match="cancelled before it began"):
        await starting
    await deleting
    assert driver.asked == ["prepare", "clear"]
    assert await tasks.names() == []
    await tasks.close()
