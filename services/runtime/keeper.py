"""Keep one part running.

A run of a part is one process, from start to exit. After a run ends, the keeper pauses and starts the next one. The
pause doubles from 0.1 s up to the part's maximum, and is reset after a run that was healthy for 10 s. A part is a
direct child in its own session, so that Ctrl-C in a terminal reaches only the supervisor. It dies with the supervisor
(see guard).
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from services.domain.errors import DeadlineExceeded, InterlockError, Unavailable
from services.runtime import guard
from services.runtime.health import Probe
from services.runtime.logs import PartLog

PROBE_PAUSE_SECONDS = 0.05
SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
# A run that was healthy for this long resets the pause.
GOOD_RUN_SECONDS = 10.0
TAIL_LINES = 20

# Prints a message about a part: (name of the part, message).
Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A program of the installation. It starts after the parts in `needs` are healthy, and stops before they stop."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    probe: Probe
    needs: tuple[str, ...] = ()
    # Time from start until it must be healthy.
    start_seconds: float = 60.0
    # Time from SIGTERM to SIGKILL.
    stop_seconds: float = 10.0
    # Maximum pause before a restart.
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS


class Backoff:
    """Computes the pause before each restart of a part."""

    def __init__(self, longest_seconds: float = LONGEST_PAUSE_SECONDS) -> None:
        self._pause = SHORTEST_PAUSE_SECONDS
        self._longest = longest_seconds

    def next_pause(self, healthy_seconds: float) -> float:
        """Return the seconds to wait after a run; they double each time and are reset after a good run."""
        if healthy_seconds >= GOOD_RUN_SECONDS:
            self._pause = SHORTEST_PAUSE_SECONDS
        pause = self._pause
        self._pause = min(2 * pause, self._longest)
        return pause


class Keeper:
    """Starts one part, restarts it whenever it dies, and stops it."""

    def __init__(self, part: Part, data_dir: Path, say: Say, on_start: Callable[[], None]) -> None:
        self.part = part
        self._data_dir = data_dir
        self._log = PartLog(data_dir / "logs" / f"{part.name}.log")
        self._say = say
        self._on_start = on_start
        self._process: Process | None = None
        self._backoff = Backoff(part.longest_pause_seconds)

    @property
    def pid(self) -> int | None:
        """Process id of the newest run; None before the first."""
        return self._process.pid if self._process else None

    async def start(self) -> Process:
        """Start a run and return its process once it is healthy.

        Raises Unavailable if it exits first, and DeadlineExceeded if it is not healthy within start_seconds.
        """
        began = time.monotonic()
        process = self._process = await self._spawn()
        self._on_start()
        try:
            async with asyncio.timeout(self.part.start_seconds):
                await self._until_healthy(process)
        except TimeoutError as error:
            self.kill()
            await process.wait()
            raise DeadlineExceeded(self._failure(f"was not healthy within {self.part.start_seconds:g} s")) from error
        self._say(self.part.name, f"healthy after {time.monotonic() - began:.1f} s (pid {process.pid})")
        return process

    async def keep(self, process: Process) -> NoReturn:
        """Wait for the run to end and start the next one, forever."""
        while True:
            healthy_since = time.monotonic()
            code = await process.wait()
            self._say(self.part.name, _describe_exit(code))
            process = await self._start_again(healthy_seconds=time.monotonic() - healthy_since)

    async def stop(self) -> None:
        """Send SIGTERM, after stop_seconds SIGKILL, and return when the part has ended."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.part.stop_seconds):
                await self._process.wait()
        except TimeoutError:
            self._say(self.part.name, f"did not stop within {self.part.stop_seconds:g} s, killing it")
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Send SIGKILL without waiting for the part to end."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            # The process may have ended before asyncio noticed.
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _spawn(self) -> Process:
        with self._log.open() as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid())),
                *self.part.argv,
                env=dict(self.part.environment),
                cwd=self._data_dir,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
            )

    async def _until_healthy(self, process: Process) -> None:
        while process.returncode is None:
            if await self.part.probe():
                return
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
        raise Unavailable(self._failure(f"{_describe_exit(process.returncode)} before it was healthy"))

    async def _start_again(self, *, healthy_seconds: float) -> Process:
        while True:
            pause = self._backoff.next_pause(healthy_seconds)
            self._say(self.part.name, f"starting again in {pause:.1f} s")
            await asyncio.sleep(pause)
            try:
                return await self.start()
            except InterlockError as error:
                self._say(self.part.name, error.message)
                healthy_seconds = 0.0

    def _failure(self, what: str) -> str:
        tail = "\n".join(f"  | {line}" for line in self._log.tail(TAIL_LINES)) or "  | (nothing)"
        return f"{self.part.name} {what}; {self._log.path} ends with\n{tail}"


def _describe_exit(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"exited with code {code}"
