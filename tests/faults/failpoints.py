"""Failpoints that tests arm by writing files, and that act in the endpoint.

Each key has a folder. An armed failpoint is a file in it, named by the quoted "<handler>/<step>/<moment>", that holds
the action. `kill` removes the file and kills the process. `refuse` raises a refusal as long as the file exists, because
a replay must be refused too. `hold` blocks all attempts as long as the file exists; other handlers go on. If a key has
a folder, the failpoints that it reaches are recorded there.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from services.domain.errors import PreconditionFailed
from services.durable.failpoints import Failpoints, Moment

REFUSAL = "refused by the test"
_REACHED = "reached"
_PASSED = "passed"
# Longer than any test holds a failpoint. After that the step fails, because the test is gone.
_HOLD_SECONDS = 300.0
_HOLD_PAUSE_SECONDS = 0.02


class Action(StrEnum):
    KILL = "kill"
    REFUSE = "refuse"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class FailpointsInFolder:
    """The failpoints of one invocation, in the endpoint."""

    folder: Path
    handler: str

    async def reach(self, step: str, moment: Moment) -> None:
        if not self.folder.is_dir():
            return
        name = f"{self.handler}/{step}/{moment}"
        with (self.folder / _REACHED).open("a") as reached:
            reached.write(f"{name}\n")
        armed = self.folder / quote(name, safe="")
        try:
            action = Action(armed.read_text())
        except FileNotFoundError:
            return
        match action:
            case Action.KILL:
                armed.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.REFUSE:
                raise PreconditionFailed(f"{REFUSAL} at {name}")
            case Action.HOLD:
                await _until_gone(armed)
                with (self.folder / _PASSED).open("a") as passed:
                    passed.write(f"{name}\n")


@dataclass(frozen=True, slots=True)
class FailpointFolder:
    """The folder in which tests arm failpoints."""

    folder: Path

    def failpoints(self, handler: str, key: str) -> Failpoints:
        """Return the failpoints of one handler and key."""
        return FailpointsInFolder(self.folder / key, handler)

    def watch(self, key: str) -> None:
        """Start a new record of the failpoints that a key reaches."""
        (self.folder / key).mkdir(exist_ok=True)
        (self.folder / key / _REACHED).write_text("")

    def reached(self, key: str) -> list[str]:
        """List the failpoints that a watched key has reached, each once, in order."""
        return list(dict.fromkeys((self.folder / key / _REACHED).read_text().splitlines()))

    def has_passed(self, key: str, name: str) -> bool:
        """Return whether a handler that was held at the failpoint has continued."""
        passed = self.folder / key / _PASSED
        return passed.exists() and name in passed.read_text().splitlines()

    def arm(self, key: str, name: str, action: Action) -> None:
        """Arm a failpoint of a watched key."""
        complete = self.folder / key / "arming"
        complete.write_text(action)
        complete.rename(self._file(key, name))

    def is_armed(self, key: str, name: str) -> bool:
        """Return whether a failpoint is armed: `kill` disarms itself, `refuse` and `hold` do not."""
        return self._file(key, name).exists()

    def disarm(self, key: str, name: str) -> None:
        """Disarm a failpoint that refuses or holds."""
        self._file(key, name).unlink()

    def _file(self, key: str, name: str) -> Path:
        return self.folder / key / quote(name, safe="")


async def _until_gone(file: Path) -> None:
    async with asyncio.timeout(_HOLD_SECONDS):
        while True:
            if not await asyncio.to_thread(file.exists):
                return
            await asyncio.sleep(_HOLD_PAUSE_SECONDS)
