"""The `interlock up` of the demo."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from pathlib import Path

from services.config import Settings
from services.krane.backends.opening import remove_all
from services.runtime.demo.story import Deviation, expect
from services.runtime.logs import PartLog
from services.runtime.ready import ReadyFile

STARTS_WITHIN_SECONDS = 60.0
STOPS_WITHIN_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.05


class Installation:
    """One `interlock up` in its own folder; start and stop it once."""

    def __init__(self, folder: Path) -> None:
        self._data_dir = folder / "data"
        self._ready_file = folder / "ready.json"
        self._log = PartLog(folder / "logs" / "up.log")
        self._process: Process | None = None

    async def start(self) -> ReadyFile:
        """Start it and wait until it is ready; raises Deviation after STARTS_WITHIN_SECONDS."""
        with self._log.open() as log:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "services.cli", "up", "--ports", "auto"),
                *("--data-dir", str(self._data_dir), "--ready-file", str(self._ready_file)),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self._ready_file.exists():
            if process.returncode is not None or time.monotonic() > deadline:
                raise Deviation("`interlock up` did not become ready")
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return self.ready()

    def ready(self) -> ReadyFile:
        """Return its addresses and current process ids."""
        return ReadyFile.model_validate_json(self._ready_file.read_bytes())

    def last_words(self) -> list[str]:
        """Return the last lines that `interlock up` printed."""
        return self._log.tail(10)

    async def stop(self) -> None:
        """Stop it like Ctrl-C, wait for its end, and remove everything that it has created.

        Raises Deviation if it ends with an error, or has to be killed after STOPS_WITHIN_SECONDS.
        """
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOPS_WITHIN_SECONDS):
                code = await self._process.wait()
        except TimeoutError as error:
            self._process.kill()
            raise Deviation(f"`interlock up` did not stop within {STOPS_WITHIN_SECONDS:.0f} s") from error
        await remove_all(self._data_dir, Settings().krane)
        expect("exit code of `interlock up`", expected=0, seen=code)
