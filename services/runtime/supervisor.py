"""Start parts in the order of their needs, keep them running, and stop them in reverse order.

Parts that do not need each other start and stop at the same time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from services.runtime.keeper import Keeper, Part, Say

# Jobs by name; each runs once, before the parts that need it.
StartupJobs = Mapping[str, Callable[[], Awaitable[None]]]


class Supervisor:
    """Supervises the parts of one installation.

    `on_pids` is called with the process ids of all parts once all are healthy, and again after each restart of one.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        jobs: StartupJobs,
        data_dir: Path,
        *,
        say: Say,
        on_pids: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._keepers = [Keeper(part, data_dir, say, self._report_pids) for part in parts]
        self._jobs = jobs
        self._on_pids = on_pids
        self._done = {name: asyncio.Event() for name in (*jobs, *(part.name for part in parts))}
        self._all_done = False

    async def run(self) -> None:
        """Start everything and keep it running until cancelled; raises the error of the first start that fails.

        Some parts may then still run: call `stop` afterwards, in either case.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, job in self._jobs.items():
                    tasks.create_task(self._do(name, job))
                for keeper in self._keepers:
                    tasks.create_task(self._keep(keeper))
                tasks.create_task(self._announce())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Stop every part, each after the parts that need it. Cancel `run` first."""
        stopped = {keeper.part.name: asyncio.Event() for keeper in self._keepers}

        async def stop_after_its_users(keeper: Keeper) -> None:
            name = keeper.part.name
            for user in self._keepers:
                if name in user.part.needs:
                    await stopped[user.part.name].wait()
            await keeper.stop()
            stopped[name].set()

        async with asyncio.TaskGroup() as tasks:
            for keeper in self._keepers:
                tasks.create_task(stop_after_its_users(keeper))

    def kill(self) -> None:
        """Kill every part at once; a `stop` that waits for them then returns."""
        for keeper in self._keepers:
            keeper.kill()

    async def _do(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        await job()
        self._done[name].set()

    async def _keep(self, keeper: Keeper) -> NoReturn:
        for need in keeper.part.needs:
            await self._done[need].wait()
        process = await keeper.start()
        self._done[keeper.part.name].set()
        await keeper.keep(process)

    async def _announce(self) -> None:
        for done in self._done.values():
            await done.wait()
        self._all_done = True
        self._report_pids()

    def _report_pids(self) -> None:
        if self._all_done:
            self._on_pids({keeper.part.name: keeper.pid for keeper in self._keepers if keeper.pid is not None})
