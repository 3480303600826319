"""A Docker Engine of a test's own, beside the machine's, that can be killed and started again."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from services.domain.errors import InterlockError
from services.krane.backends.docker.engine import Engine
from tests.krane.support import until

# A network that neither the machine nor its own engine uses.
ADDRESS = "172.31.251.1/24"


class EngineProcess:
    """`dockerd` on a folder of its own. Its containers outlive it."""

    def __init__(self, folder: Path, bridge: str) -> None:
        self.socket = folder / "docker.sock"
        self._folder = folder
        self._arguments = [
            "dockerd",
            "--live-restore",
            "--log-level=warn",
            f"--host=unix://{self.socket}",
            f"--data-root={folder / 'data'}",
            f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'docker.pid'}",
            f"--bridge={bridge}",
            "--iptables=false",
            "--ip-masq=false",
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        # After a SIGKILL they name processes that are gone, and the engine would wait for them.
        for leftover in ("docker.pid", "exec/containerd/containerd.pid"):
            (self._folder / leftover).unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        await until(self.answers, 30)

    async def answers(self) -> bool:
        """Whether it serves."""
        engine = Engine(self.socket)
        try:
            await engine.version()
        except InterlockError:
            return False
        finally:
            await engine.close()
        return True

    async def clear(self) -> None:
        """Remove its containers, which would outlive it, and end it."""
        if not await self.answers():
            await self.start()
        engine = Engine(self.socket)
        for container in await engine.list_containers({}):
            await engine.remove_container(container.id)
        await engine.close()
        await self.end(signal.SIGTERM)
        self._unmount()

    def _unmount(self) -> None:
        """Unmount what a killed engine mounted and the next one left."""
        for mount in Path("/proc/mounts").read_text().splitlines():
            target = mount.split()[1]
            if target.startswith(str(self._folder)):
                _run("umount", target)

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait for its end."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        await self._process.wait()


@asynccontextmanager
async def engine_process(folder: Path) -> AsyncGenerator[EngineProcess]:
    """A private engine on a bridge of its own; both are gone afterwards."""
    bridge = f"ilk{os.getpid()}"
    _run("ip", "link", "add", bridge, "type", "bridge")
    try:
        _run("ip", "address", "add", ADDRESS, "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        engine = EngineProcess(folder, bridge)
        try:
            await engine.start()
            yield engine
        finally:
            await engine.clear()
    finally:
        _run("ip", "link", "delete", bridge)


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True)
