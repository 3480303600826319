"""Show the steps of a deployment on stderr until it ends: updated in place on a terminal, else one line per step."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from services.cli.render import obstacles, step_line, steps_text
from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.domain.errors import DeadlineExceeded, Unavailable
from services.domain.status import ENDED
from services.gen.ctrl.v1 import control_pb2 as pb

POLL_SECONDS = 0.25
# An obstacle that is gone sooner belongs to every start.
OBSTACLE_SECONDS = 1.0


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
                        display.show(deployment)
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
        # By obstacle: since when each call had it, on the monotonic clock.
        self._since: dict[str, float] = {}
        self._printed: set[str] = set()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, deployment: pb.Deployment) -> None:
        """Update the display with the steps, and with what keeps instances from becoming healthy."""
        lasting = self._lasting(obstacles(deployment))
        if self._live is not None:
            lines = [Text(f"  {line}", style="yellow") for line in lasting]
            self._live.update(Group(steps_text(deployment.steps), *lines), refresh=True)
            return
        ended = [step for step in deployment.steps if step.ended_at_ms]
        for step in ended[self._ended :]:
            self._console.print(step_line(step))
        self._ended = len(ended)
        for line in lasting:
            if line not in self._printed:
                self._console.print(Text(f"  {line}"))
        self._printed |= set(lasting)

    def _lasting(self, lines: Sequence[str]) -> list[str]:
        """Return the lines that every call of the last OBSTACLE_SECONDS had."""
        now = time.monotonic()
        self._since = {line: self._since.get(line, now) for line in lines}
        return [line for line, since in self._since.items() if now - since >= OBSTACLE_SECONDS]
