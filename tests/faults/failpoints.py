"""Failpoints that act, armed with files: the endpoint's side acts, the test's side arms.

A folder for each key; in it a file for each armed failpoint, named by the quoted "<handler>/<step>/<moment>". The file
holds the action. `kill` ends the process, once: the file is removed first. `refuse` raises a refusal of the domain as
long as the file is there, since a replay must be refused as well. A key that has a folder notes what it reaches.
"""

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


class Action(StrEnum):
    KILL = "kill"
    REFUSE = "refuse"


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

    def arm(self, key: str, name: str, action: Action) -> None:
        """Let a failpoint of a watched key act."""
        complete = self.folder / key / "arming"
        complete.write_text(action)
        complete.rename(self._file(key, name))

    def is_armed(self, key: str, name: str) -> bool:
        """Whether a failpoint has not killed yet, or refuses again and again."""
        return self._file(key, name).exists()

    def disarm(self, key: str, name: str) -> None:
        """Let a failpoint refuse no more."""
        self._file(key, name).unlink()

    def _file(self, key: str, name: str) -> Path:
        return self.folder / key / quote(name, safe="")
