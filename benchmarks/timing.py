"""Shared by the benchmarks: an installation, a stopwatch, the floor, and the report."""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.domain.errors import NotFound
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from services.runtime.demo.installation import Installation
from tests.end_to_end.stack import ENDED, eventually

FLOOR = "floor: a call refused by its first step"
SERVICE = "hydra.v1.DeploymentService"


class Stopwatch:
    """Times of each kind of operation, in milliseconds."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}

    async def time(self, kind: str, operation: Awaitable[object]) -> None:
        """Await an operation and record its time."""
        began = time.perf_counter()
        await operation
        self._times.setdefault(kind, []).append((time.perf_counter() - began) * 1000)

    def report(self, floor_kind: str = FLOOR) -> Table:
        """Return the distribution of each kind, and its median as a multiple of the floor's."""
        table = Table("operation", "n", "median ms", "p99 ms", "max ms", "× floor")
        floor = statistics.median(self._times[floor_kind])
        for kind, values in self._times.items():
            ordered = sorted(values)
            median, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
            table.add_row(
                kind, str(len(ordered)), f"{median:.0f}", f"{p99:.0f}", f"{ordered[-1]:.0f}", f"{median / floor:.1f}"
            )
        return table


@asynccontextmanager
async def installation() -> AsyncIterator[tuple[ControlClient, RestateClient]]:
    """Run an installation in a temporary folder for the block."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        running = Installation(Path(folder))
        ready = await running.start()
        try:
            async with ControlClient(ready.ctrl_grpc) as control, RestateClient(ready.ingress, ready.admin) as restate:
                yield control, restate
        finally:
            await running.stop()


async def refused(restate: RestateClient, project_id: str) -> None:
    """Make the floor's call: Restate accepts it, one journaled step refuses it, Restate answers."""
    body = b'{"target_deployment_id": "d_nope"}'
    with suppress(NotFound):
        await restate.call(SERVICE, project_id, "Promote", body, timeout=timedelta(seconds=10))


async def ended(control: ControlClient, deployment_id: str, wanted: str) -> pb.Deployment:
    """Wait until a deployment has ended with the wanted status."""

    async def look() -> pb.Deployment | None:
        found = await control.get_deployment(deployment_id)
        return found if status_of(found) in ENDED else None

    found = await eventually(look, f"{deployment_id} to be {wanted}", timeout=60)
    assert status_of(found) == wanted, found
    return found
