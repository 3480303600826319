"""The logs of deployments. The build's log comes first, then the task's, then those of all instances side by side.

A slow reader never blocks a writer: logs are files or kept by the engine, and the reader falls behind.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext

from services.domain.errors import NotFound, Unavailable
from services.domain.ids import check_id
from services.domain.readiness import InstanceStatus
from services.krane.backends.building.builds import SourceBuilds
from services.krane.backends.hosted.deployments import HostedDeployments
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.hosted.tasks import HostedTasks
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_file import POLL_SECONDS, follow_file
from services.krane.backends.shared.log_lines import Place
from services.krane.checks import check_instance_id
from services.krane.types import BuildStatus, FollowedLine, LogLine, LogQuery, is_task_log

Send = Callable[[FollowedLine], Awaitable[None]]
BUILD = ""
# For all lines of one answer. The limit of a gRPC message is 4 MiB.
MAX_ANSWER_BYTES = 3 * 1024 * 1024


class HostedLogs:
    """Implements `LogBackend`."""

    def __init__(
        self,
        driver: Driver,
        deployments: HostedDeployments,
        tasks: HostedTasks,
        builds: SourceBuilds,
        folders: Folders,
    ) -> None:
        self._driver = driver
        self._deployments = deployments
        self._tasks = tasks
        self._builds = builds
        self._folders = folders
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        logged = self._logged(namespace, deployment_id)
        asked = [check_instance_id(deployment_id, instance_id, logged)] if instance_id else []
        if not logged:
            raise NotFound(f"there is no deployment {deployment_id} in {namespace}: create it first")
        names = asked or logged
        return [
            LogLine(instance_id=name, text=text)
            for name in names
            for text in await self._driver.tail(namespace, deployment_id, name, lines, MAX_ANSWER_BYTES // len(names))
        ]

    async def follow(self, query: LogQuery, send: Send) -> None:
        check_id("namespace", query.namespace)
        check_id("deployment_id", query.deployment_id)
        try:
            async with asyncio.TaskGroup() as tasks:
                closing = tasks.create_task(self._break_off())
                if query.build:
                    await self._follow_build(query, send)
                for name in filter(is_task_log, self._logged(query.namespace, query.deployment_id)):
                    await self._follow_task(query, name, send)
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

    async def _follow_task(self, query: LogQuery, name: str, send: Send) -> None:
        def is_over() -> bool:
            return not query.follow or not self._tasks.may_log(query.namespace, query.deployment_id, name)

        await _pass_on(self._driver.follow_log(query, name, Place(name, query), is_over), send)

    async def _follow_instances(self, query: LogQuery, send: Send, tasks: asyncio.TaskGroup) -> None:
        one_at_a_time = asyncio.Lock()
        readers: dict[str, asyncio.Task[None]] = {}

        def is_over() -> bool:
            return not query.follow or not self._may_grow(query.namespace, query.deployment_id)

        async def read(instance_id: str) -> None:
            log = self._driver.follow_log(query, instance_id, Place(instance_id, query), is_over)
            await _pass_on(log, send, one_at_a_time)

        while True:
            over = is_over()
            for instance_id in self._logged(query.namespace, query.deployment_id):
                if not is_task_log(instance_id) and instance_id not in readers:
                    readers[instance_id] = tasks.create_task(read(instance_id))
            if over:
                break
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.gather(*readers.values())

    def _logged(self, namespace: str, deployment_id: str) -> list[str]:
        """Return the ids of everything that may have a log: the task first, then past and present instances."""
        state = self._deployments.find(namespace, deployment_id)
        kept = self._driver.logged(namespace, deployment_id)
        there = [instance.id for instance in state.instances] if state else []
        return sorted({*kept, *there}, key=lambda name: (not is_task_log(name), name))

    def _may_grow(self, namespace: str, deployment_id: str) -> bool:
        """Return whether an instance runs or will run."""
        state = self._deployments.find(namespace, deployment_id)
        instances = state.instances if state else ()
        return any(instance.status not in (InstanceStatus.STOPPED, InstanceStatus.FAILED) for instance in instances)


async def _pass_on(log: AsyncGenerator[list[FollowedLine]], send: Send, turn: asyncio.Lock | None = None) -> None:
    """Send groups of lines to the caller, without mixing in lines of other readers."""
    async with aclosing(log):
        async for lines in log:
            async with turn or nullcontext():
                for line in lines:
                    await send(line)
