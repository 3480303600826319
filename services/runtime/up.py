"""`interlock up`: run a whole installation on one machine until SIGINT or SIGTERM.

No part outlives the command, however it ends. After a clean stop no instance runs either. After a SIGKILL the
instances go on running, and the next `up` takes them over.
"""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from services.config import Settings
from services.domain.errors import InterlockError
from services.keyring import Keyring
from services.krane.backends.opening import stop_all
from services.runtime.identity import ensure_identity
from services.runtime.lock import hold_data_dir
from services.runtime.parts import describe_parts, describe_startup_jobs
from services.runtime.ports import choose_ports
from services.runtime.ready import describe, publish, withdraw
from services.runtime.supervisor import Supervisor


def run(data_dir: Path, ports_auto: bool, ready_file: Path | None) -> int:
    """Run the installation in `data_dir` until asked to stop; returns the exit code.

    Once every part is healthy, writes `ready_file` and ready.json in the data directory (see `ready`).
    """
    console = Console(stderr=True, highlight=False)
    data_dir = data_dir.resolve()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with hold_data_dir(data_dir):
            asyncio.run(_Up(console, data_dir, ready_file).run(ports_auto=ports_auto))
    except InterlockError as error:
        console.print(Text(f"error: {error.message}", style="red"), soft_wrap=True)
        return 1
    return 0


class _Up:
    """One run of `interlock up`; its caller has locked the data directory."""

    def __init__(self, console: Console, data_dir: Path, ready_file: Path | None) -> None:
        self._console = console
        self._data_dir = data_dir
        self._ready_files = [data_dir / "ready.json", *([ready_file] if ready_file else [])]
        self._began = time.monotonic()

    async def run(self, *, ports_auto: bool) -> None:
        settings = await choose_ports(Settings(data_dir=self._data_dir), auto=ports_auto)
        identity = ensure_identity(settings.secrets_dir)
        Keyring(settings.secrets_dir).ensure()
        supervisor = Supervisor(
            describe_parts(settings, identity),
            describe_startup_jobs(settings),
            self._data_dir,
            say=self._say,
            on_pids=partial(self._publish, settings),
        )
        # An `up` that was killed leaves its ready files behind.
        withdraw(self._ready_files)
        try:
            await self._supervise(supervisor)
        finally:
            withdraw(self._ready_files)
            await supervisor.stop()
            await stop_all(self._data_dir, settings.krane)
            self._say("interlock", "stopped")

    async def _supervise(self, supervisor: Supervisor) -> None:
        """Run until the first SIGINT or SIGTERM; a second signal kills the parts that still run."""
        running = asyncio.create_task(supervisor.run())

        def stop_or_kill() -> None:
            if running.cancelling() or running.done():
                self._say("interlock", "killing the parts that still run")
                supervisor.kill()
            else:
                self._say("interlock", "stopping")
                running.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop_or_kill)
        with suppress(asyncio.CancelledError):
            await running

    def _publish(self, settings: Settings, pids: Mapping[str, int]) -> None:
        is_first = not self._ready_files[0].exists()
        ready = describe(settings, pids)
        publish(ready, self._ready_files)
        if is_first:
            self._say("interlock", f"ready after {time.monotonic() - self._began:.1f} s")
            self._say("", f"API      {ready.ctrl}")
            self._say("", f"traffic  {ready.gateway} for *.{ready.apex}")
            self._say("", f"data     {self._data_dir}")

    def _say(self, part: str, what: str) -> None:
        self._console.print(Text.assemble((f"{part:<10}", "bold"), what), soft_wrap=True)
