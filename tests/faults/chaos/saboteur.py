"""Injects faults into a running installation, and waits until the part works again."""

import asyncio
import os
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path

from services.domain.status import DeploymentStatus
from tests.end_to_end.stack import Stack
from tests.faults.chaos.history import Clock, Struck
from tests.faults.chaos.sampler import Sampler
from tests.faults.chaos.schedule import Blow, Fault, choose


class Saboteur:
    """Injects faults, several at once if asked."""

    def __init__(self, stack: Stack, database: Path, sampler: Sampler, clock: Clock) -> None:
        self._stack = stack
        self._database = database
        self._sampler = sampler
        self._clock = clock
        self.struck: list[Struck] = []

    async def strike(self, fault: Fault) -> None:
        """Inject a fault; returns when the part works again."""
        begin, deployment_id = self._clock.now(), ""
        match fault.blow:
            case Blow.KILL:
                hit = await self._end(fault.part, signal.SIGKILL)
            case Blow.TERMINATE:
                hit = await self._end(fault.part, signal.SIGTERM)
            case Blow.FREEZE:
                hit = await self._freeze(fault.part, fault.seconds)
            case Blow.LOCK_DATABASE:
                hit = await self._lock(fault.seconds)
            case Blow.KILL_APP:
                deployment_id = await self._kill_app(fault.pick)
                hit = bool(deployment_id)
        self.struck.append(
            Struck(
                blow=fault.blow, part=fault.part, span=self._clock.since(begin), hit=hit, deployment_id=deployment_id
            )
        )

    async def _end(self, part: str, number: signal.Signals) -> bool:
        pid = self._pid(part)
        if pid is None:
            return False
        os.kill(pid, number)
        # If the part does not come back, the checks after the run show it.
        with suppress(AssertionError):
            await self._stack.restarted(part, pid)
        return True

    async def _freeze(self, part: str, seconds: float) -> bool:
        pid = self._pid(part)
        if pid is None:
            return False
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            # Another fault may have killed it already.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return True

    async def _lock(self, seconds: float) -> bool:
        connection = sqlite3.connect(self._database, isolation_level=None, timeout=0)
        try:
            connection.execute("begin immediate")
            await asyncio.sleep(seconds)
            connection.execute("rollback")
        except sqlite3.OperationalError:
            # Somebody else was writing at this moment.
            return False
        finally:
            connection.close()
        return True

    async def _kill_app(self, pick: float) -> str:
        """Kill one process of a ready deployment; returns the deployment, empty if there is none."""
        ready = [row.id for row in self._sampler.deployments.values() if row.status is DeploymentStatus.READY]
        if not ready:
            return ""
        deployment_id = choose(ready, pick)
        processes = await asyncio.to_thread(self._stack.instance_processes, deployment_id)
        if not processes:
            return ""
        with suppress(ProcessLookupError):
            os.kill(choose(processes, pick), signal.SIGKILL)
        return deployment_id

    def _pid(self, part: str) -> int | None:
        """Return the part's pid; None while it restarts and the old pid is invalid."""
        pid = int(self._stack.ready["pids"][part])
        with suppress(OSError):
            if (Path("/proc") / str(pid) / "cwd").resolve() == self._stack.data_dir.resolve():
                return pid
        return None
