"""Follows the logs of deployments: the build's first, then the task's, then those of all instances side by side.

Nobody who writes waits for a reader: logs are files, or the engine's, and a reader that is slow stays behind.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext

from services.domain.errors import Unavailable
from services.krane.backends.building.builds import SourceBuilds
from services.krane.backends.hosted.deployments import HostedDeployments
from services.krane.backends.hosted.tasks import HostedTasks
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_file import POLL_SECONDS, follow_file
from services.krane.backends.shared.log_lines import Place
from services.krane.checks import check_id
from services.krane.types import BuildStatus, FollowedLine, LogQuery, task_log_name

Send = Callable[[FollowedLine], Awaitable[None]]
BUILD = ""


class HostedLogs:
    """The readers of one installation's logs."""

    def __init__(
        self, deployments: HostedDeployments, tasks: HostedTasks, builds: SourceBuilds, folders: Folders
    ) -> None:
        self._deployments = deployments
        self._tasks = tasks
        self._builds = builds
        self._folders = folders
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams. Whoever reads one is told to ask again."""
        self._closing.set()

    async def follow(self, query: LogQuery, send: Send) -> None:
        """Send the lines asked for, until nothing more can come: of what nobody knows there are none.

        Raises Invalid, and Unavailable when the stream is broken off.
        """
        check_id("namespace", query.namespace)
        check_id("deployment_id", query.deployment_id)
        try:
            async with asyncio.TaskGroup() as tasks:
                closing = tasks.create_task(self._break_off())
                if query.build:
                    await self._follow_build(query, send)
                await self._follow_task(query, send)
                await self._follow_instances(query, send, tasks)
                closing.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _break_off(self) -> None:
        await self._closing.wait()
        raise Unavailable("krane is being stopped: follow again")

    async def _follow_build(self, query: LogQuery, send: Send) -> None:
        namespace, build_id = query.namespace, query.deployment_id

        def is_over() -> bool:
            return not query.follow or self._builds.status(namespace, build_id) is not BuildStatus.RUNNING

        if self._builds.status(namespace, build_id) is not None:
            await _pass_on(follow_file(self._folders.build_log(build_id), Place(BUILD, query), is_over), send)

    async def _follow_task(self, query: LogQuery, send: Send) -> None:
        namespace, task_id, name = query.namespace, query.deployment_id, task_log_name(query.deployment_id)

        def is_over() -> bool:
            return not query.follow or not self._tasks.is_running(namespace, task_id)

        if name in self._deployments.logged(namespace, task_id):
            await _pass_on(self._deployments.follow_log(query, name, Place(name, query), is_over), send)

    async def _follow_instances(self, query: LogQuery, send: Send, tasks: asyncio.TaskGroup) -> None:
        one_at_a_time = asyncio.Lock()
        readers: dict[str, asyncio.Task[None]] = {}
        task = task_log_name(query.deployment_id)

        def is_over() -> bool:
            return not query.follow or not self._deployments.is_writing(query.namespace, query.deployment_id)

        async def read(instance_id: str) -> None:
            log = self._deployments.follow_log(query, instance_id, Place(instance_id, query), is_over)
            await _pass_on(log, send, one_at_a_time)

        while True:
            over = is_over()
            for instance_id in self._deployments.logged(query.namespace, query.deployment_id):
                if instance_id != task and instance_id not in readers:
                    readers[instance_id] = tasks.create_task(read(instance_id))
            if over:
                break
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.gather(*readers.values())


async def _pass_on(log: AsyncGenerator[list[FollowedLine]], send: Send, turn: asyncio.Lock | None = None) -> None:
    """Send what a reader finds; what it finds at once stays together."""
    async with aclosing(log):
        async for lines in log:
            async with turn or nullcontext():
                for line in lines:
                    await send(line)
