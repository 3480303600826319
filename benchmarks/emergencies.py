"""Measure emergencies against a call to Restate alone, interleaved in one run: `make bench`.

The running deployment always waits for an app that never becomes ready. "Clean" means that the cancelled deployment
has ended, which includes the removal of its instances. "Switched" means that the gateways have acknowledged the move
of live.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.timing import FLOOR, Stopwatch, ended, installation, refused
from services.config import ROOT
from services.ctrl.client import ControlClient
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import chunked, eventually, pack

ROUNDS = 30
PROJECT = "emergencies"
NEVER_READY = {
    "interlock.toml": '[start]\ncommand = ["python3", "app.py"]\n',
    "app.py": "import time\n\ntime.sleep(3600)\n",
}


class Emergencies:
    """A project with a live and an earlier deployment, and the times of each kind of emergency."""

    def __init__(self, control: ControlClient, restate: RestateClient) -> None:
        self._control = control
        self._restate = restate
        self.watch = Stopwatch()

    async def run(self) -> None:
        """Measure all kinds in turn, ROUNDS times."""
        time = self.watch.time
        project = await self._control.create_project(PROJECT)
        good = await self._control.upload_source(chunked(pack(ROOT / "examples" / "hello-python")))
        stuck = await self._control.upload_source(chunked(_never_ready()))
        old, new = await self._ready(good), await self._ready(good)
        for _ in range(ROUNDS):
            await time(FLOOR, refused(self._restate, project.id))
            in_the_way = await self._waiting(stuck)
            await time("cancel → acknowledged", self._control.cancel_deployment(in_the_way))
            await ended(self._control, in_the_way, "cancelled")
            in_the_way = await self._waiting(stuck)
            await time("cancel → clean", self._cancel(in_the_way))
            await time("rollback, nothing in the way", self._control.rollback(PROJECT, old))
            await self._control.promote(PROJECT, new)
            in_the_way = await self._waiting(stuck)
            await time("preempt → switched", self._control.rollback(PROJECT, old))
            await ended(self._control, in_the_way, "cancelled")
            await self._control.promote(PROJECT, new)

    async def _cancel(self, deployment_id: str) -> None:
        await self._control.cancel_deployment(deployment_id)
        await ended(self._control, deployment_id, "cancelled")

    async def _ready(self, source: str) -> str:
        return (await ended(self._control, await self._create(source), "ready")).id

    async def _waiting(self, source: str) -> str:
        deployment_id = await self._create(source)

        async def is_waiting() -> bool:
            steps = (await self._control.get_deployment(deployment_id)).steps
            return any(step.name == "poll until ready" for step in steps)

        await eventually(is_waiting, f"{deployment_id} to wait for its app")
        return deployment_id

    async def _create(self, source: str) -> str:
        request = pb.CreateDeploymentRequest(project=PROJECT, environment="production", source=source)
        return (await self._control.create_deployment(request)).id


def _never_ready() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in NEVER_READY.items():
            (Path(folder) / name).write_text(content)
        return pack(Path(folder))


async def main() -> None:
    """Start an installation, measure, stop it."""
    async with installation() as (control, restate):
        emergencies = Emergencies(control, restate)
        await emergencies.run()
    Console(file=sys.stdout).print(emergencies.watch.report())


if __name__ == "__main__":
    asyncio.run(main())
