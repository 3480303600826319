"""Show the steps of a deployment on stderr until it ends: updated in place on a terminal, else one line per step."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from services.cli.render import step_line, steps_text
from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.domain.errors import DeadlineExceeded, Unavailable
from services.domain.status import ENDED
from services.gen.ctrl.v1 import control_pb2 as pb

POLL_SECONDS = 0.25


async def follow(client: ControlClient, deployment_id: str, console: Console, timeout: timedelta) -> pb.Deployment:
    """Show the steps until the deployment ends, and return it. Waits while ctrl is unavailable.

    Raises DeadlineExceeded if it still runs after `timeout`; the deployment itself continues.
    """
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            with StepDisplay(console) as display:
                while True:
                    deployment = await _read(client, deployment_id)
                    if deployment is not None:
                        display.show(deployment.steps)
                        if status_of(deployment) in ENDED:
                            return deployment
                    await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise DeadlineExceeded(still_running(deployment_id)) from error


def still_running(deployment_id: str) -> str:
    """Return the message for a wait that ends before the deployment does."""
    return f"still running: interlock watch {deployment_id}"


async def _read(client: ControlClient, deployment_id: str) -> pb.Deployment | None:
    try:
        return await client.get_deployment(deployment_id)
    except Unavailable:
        return None


class StepDisplay:
    """A live list of steps on a terminal, else one line per ended step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console) if console.is_terminal else None
        self._ended = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, steps: Sequence[pb.Step]) -> None:
        """Update the display."""
        if self._live is not None:
            self._live.update(steps_text(steps), refresh=True)
            return
        ended = [step for step in steps if step.ended_at_ms]
        for step in ended[self._ended :]:
            self._console.print(step_line(step))
        self._ended = len(ended)
