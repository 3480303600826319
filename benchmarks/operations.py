"""Measure operations against a call to Restate alone, interleaved in one run: `make bench`.

The floor is a call that its first journaled step refuses: the minimum that an operation can take. Times from a small,
shared machine say little; their ratios to the floor say more.
"""

import asyncio
import sys

from rich.console import Console

from benchmarks.timing import FLOOR, Stopwatch, ended, installation, refused
from services.config import ROOT
from services.ctrl.client import ControlClient
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import chunked, pack

ROUNDS = 40
DEPLOYS_EVERY = 4
PROJECT = "bench"


class Bench:
    """A project with two deployments, and the times of each kind of operation."""

    def __init__(self, control: ControlClient, restate: RestateClient) -> None:
        self._control = control
        self._restate = restate
        self.watch = Stopwatch()

    async def run(self) -> None:
        """Measure all kinds in turn, ROUNDS times."""
        time = self.watch.time
        project = await self._control.create_project(PROJECT)
        source = await self._control.upload_source(chunked(pack(ROOT / "examples" / "hello-python")))
        old = await self._deploy(source)
        new = await self._deploy(source)
        for number in range(ROUNDS):
            await time(FLOOR, refused(self._restate, project.id))
            await time("rollback, warm", self._control.rollback(PROJECT, old))
            await time("promote", self._control.promote(PROJECT, new))
            if number % DEPLOYS_EVERY == 0:
                await time("deploy of a built source until ready", self._preview(source))
                await time("create, then cancel until clean", self._cancelled(source))

    async def _deploy(self, source: str, environment: str = "production") -> str:
        request = pb.CreateDeploymentRequest(project=PROJECT, environment=environment, source=source)
        created = await self._control.create_deployment(request)
        return (await ended(self._control, created.id, "ready")).id

    async def _preview(self, source: str) -> None:
        await self._deploy(source, "preview")

    async def _cancelled(self, source: str) -> None:
        request = pb.CreateDeploymentRequest(project=PROJECT, environment="preview", source=source)
        created = await self._control.create_deployment(request)
        await self._control.cancel_deployment(created.id)
        await ended(self._control, created.id, "cancelled")


async def main() -> None:
    """Start an installation, measure, stop it."""
    async with installation() as (control, restate):
        bench = Bench(control, restate)
        await bench.run()
    Console(file=sys.stdout).print(bench.watch.report())


if __name__ == "__main__":
    asyncio.run(main())
