"""How long operations take beside what the engine alone costs, interleaved in one run: `make bench`.

The floor is a call that Restate takes, one journaled step refuses, and Restate answers: the least that any can cost.
Figures from one small, shared machine mean little by themselves; their ratios to the floor mean more.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.config import ROOT
from services.ctrl.client import ControlClient
from services.domain.errors import NotFound
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from services.runtime.demo.installation import Installation
from tests.end_to_end.stack import chunked, eventually, pack

ROUNDS = 40
DEPLOYS_EVERY = 4
SERVICE = "hydra.v1.DeploymentService"


class Bench:
    """One project with two deployments, and the time that each kind of operation took, in milliseconds."""

    def __init__(self, control: ControlClient, restate: RestateClient) -> None:
        self._control = control
        self._restate = restate
        self.times: dict[str, list[float]] = {}

    async def run(self) -> None:
        """Measure all kinds in turn, ROUNDS times."""
        project = await self._control.create_project("bench")
        source = await self._control.upload_source(chunked(pack(ROOT / "examples" / "hello-python")))
        old = await self._deploy(source)
        new = await self._deploy(source)
        for number in range(ROUNDS):
            await self._time("floor: a call refused by its first step", lambda: self._refused(project.id))
            await self._time("rollback, warm", lambda: self._control.rollback("bench", old))
            await self._time("promote", lambda: self._control.promote("bench", new))
            if number % DEPLOYS_EVERY == 0:
                await self._time("deploy of a built source until ready", lambda: self._preview(source))
                await self._time("create, then cancel until clean", lambda: self._cancelled(source))

    async def _time(self, kind: str, operation: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await operation()
        self.times.setdefault(kind, []).append((time.perf_counter() - began) * 1000)

    async def _refused(self, project_id: str) -> None:
        body = b'{"target_deployment_id": "d_nope"}'
        with suppress(NotFound):
            await self._restate.call(SERVICE, project_id, "Promote", body, timeout=timedelta(seconds=10))

    async def _deploy(self, source: str, environment: str = "production") -> str:
        request = pb.CreateDeploymentRequest(project="bench", environment=environment, source=source)
        created = await self._control.create_deployment(request)
        return (await self._ended(created.id, "ready")).id

    async def _preview(self, source: str) -> None:
        await self._deploy(source, "preview")

    async def _cancelled(self, source: str) -> None:
        request = pb.CreateDeploymentRequest(project="bench", environment="preview", source=source)
        created = await self._control.create_deployment(request)
        await self._control.cancel_deployment(created.id)
        await self._ended(created.id, "cancelled")

    async def _ended(self, deployment_id: str, wanted: str) -> pb.Deployment:
        async def look() -> pb.Deployment | None:
            found = await self._control.get_deployment(deployment_id)
            return found if found.status in (wanted, "failed") else None

        found = await eventually(look, f"{deployment_id} to be {wanted}", timeout=30)
        assert found.status == wanted, found
        return found


def report(times: dict[str, list[float]]) -> Table:
    """Medians, 99th percentiles and ratios to the floor."""
    table = Table("operation", "n", "median ms", "p99 ms", "× floor")
    floor = statistics.median(next(iter(times.values())))
    for kind, values in times.items():
        ordered = sorted(values)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        median = statistics.median(ordered)
        table.add_row(kind, str(len(ordered)), f"{median:.0f}", f"{p99:.0f}", f"{median / floor:.1f}")
    return table


async def main() -> None:
    """Start an installation, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        installation = Installation(Path(folder))
        ready = await installation.start()
        try:
            async with ControlClient(ready.ctrl_grpc) as control, RestateClient(ready.ingress, ready.admin) as restate:
                bench = Bench(control, restate)
                await bench.run()
        finally:
            await installation.stop()
    Console(file=sys.stdout).print(report(bench.times))


if __name__ == "__main__":
    asyncio.run(main())
