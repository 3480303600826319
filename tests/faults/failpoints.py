"""Failpoints that act, armed with files: the endpoint's side acts, the test's side arms.

A folder for each key; in it a file for each armed failpoint, named by the quoted "<handler>/<step>/<moment>". The file
holds the action. `kill` ends the process, once: the file is removed first. `refuse` raises a refusal of the domain as
long as the file is there, since a replay must be refused as well. `hold` lets nothing past it as long as the file is
there, later attempts neither; the endpoint goes on with everything else. A key that has a folder notes what it reaches.
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
# Longer than any test holds; then the step fails, since nobody is left to let it go.
_HOLD_SECONDS = 300.0
_HOLD_PAUSE_SECONDS = 0.02


class Action(StrEnum):
    KILL = "kill"
    REFUSE = "refuse"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class FailpointsInFolder:
    """The endpoint's side, for one invocation."""

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
class Armoury:
    """The test's side."""

    folder: Path

    def failpoints(self, handler: str, key: str) -> Failpoints:
        """The failpoints of one handler, as the services want them."""
        return FailpointsInFolder(self.folder / key, handler)

    def watch(self, key: str) -> None:
        """Begin to note what a key reaches, anew."""
        (self.folder / key).mkdir(exist_ok=True)
        (self.folder / key / _REACHED).write_text("")

    def reached(self, key: str) -> list[str]:
        """The failpoints that a watched key has reached since, each once, in order."""
        return list(dict.fromkeys((self.folder / key / _REACHED).read_text().splitlines()))

    def has_passed(self, key: str, name: str) -> bool:
        """Whether somebody who was held at a failpoint has gone on."""
        passed = self.folder / key / _PASSED
        return passed.exists() and name in passed.read_text().splitlines()

    def arm(self, key: str, name: str, action: Action) -> None:
        """Let a failpoint of a watched key act."""
        complete = self.folder / key / "arming"
        complete.write_text(action)
        complete.rename(self._file(key, name))

    def is_armed(self, key: str, name: str) -> bool:
        """Whether a failpoint has not killed yet, or refuses or holds again and again."""
        return self._file(key, name).exists()

    def disarm(self, key: str, name: str) -> None:
        """Let a failpoint refuse or hold no more."""
        self._file(key, name).unlink()

    def _file(self, key: str, name: str) -> Path:
        return self.folder / key / quote(name, safe="")


async def _until_gone(file: Path) -> None:
    async with asyncio.timeout(_HOLD_SECONDS):
        while True:
            if not await asyncio.to_thread(file.exists):
                return
            await asyncio.sleep(_HOLD_PAUSE_SECONDS)
