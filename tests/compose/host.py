"""The installation of docker-compose.yml on this machine's engine: with a name, volumes and ports of its own."""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import httpx

from services.ctrl.client import ControlClient
from services.krane.backends.docker.containers import Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.shared.folders import Folders
from tests.compose.images import OWN_IMAGE, REGISTRY, ROOT
from tests.restate_server import free_port

PARTS = ("restate", "krane", "gateway", "envoy", "endpoint", "ctrl")
PORTS = (
    "INTERLOCK_ENDPOINT__PORT",
    "INTERLOCK_KRANE__PORT",
    "INTERLOCK_GATEWAY__PORT",
    "INTERLOCK_GATEWAY__ENVOY_ADMIN_PORT",
    "INTERLOCK_GATEWAY__XDS_PORT",
    "INTERLOCK_GATEWAY__AGENT_PORT",
    "INTERLOCK_CTRL__PORT",
    "INTERLOCK_CTRL__GRPC_PORT",
    "RESTATE_INGRESS_PORT",
    "RESTATE_ADMIN_PORT",
    "RESTATE_NODE_PORT",
)
COMMAND_SECONDS = 120.0


class Host:
    """One installation."""

    def __init__(self, socket: Path, compose: list[str]) -> None:
        self.name = f"interlock-test-{secrets.token_hex(4)}"
        self.ports = {name: free_port() for name in PORTS}
        self._socket = socket
        self._compose = compose
        # Narrows what the engine lists to what Compose made for this installation.
        self._ours = ("--filter", f"label=com.docker.compose.project={self.name}")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "COMPOSE_PROJECT_NAME": self.name,
            "DOCKER_HOST": f"unix://{socket}",
            "DOCKER_SOCKET": str(socket),
            "DOCKER_GID": str(socket.stat().st_gid),
            "REGISTRY": REGISTRY,
            "INTERLOCK_IMAGE": OWN_IMAGE,
            "INTERLOCK_GATEWAY__HOST": "127.0.0.1",
            **{name: str(port) for name, port in self.ports.items()},
        }

    def compose(self, *arguments: str) -> str:
        """Run Compose, and return what it printed."""
        done = self._run(*self._compose, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-8000:]}"
        return done.stdout

    def logs(self) -> str:
        """The newest lines that the parts printed."""
        return self.compose("logs", "--no-color", "--tail=40")

    def probe(self, part: str) -> bool:
        """Whether a part is healthy, as the health checks of docker-compose.yml ask."""
        return self._run(*self._exec("ctrl", "python", "-m", "services.runtime.probes", part)).returncode == 0

    def cli(self, *arguments: str) -> str:
        """Run the command line in the container of ctrl, and return what it printed."""
        return self.run_in("ctrl", "python", "-m", "services.cli", *arguments)

    def run_in(self, part: str, *command: str) -> str:
        """Run a command in the container of a part, and return what it printed."""
        done = self._run(*self._exec(part, *command))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pid(self, part: str) -> int:
        """The first process of a part, as this machine counts; 0 while there is none."""
        return int(self._run("docker", "inspect", "--format", "{{.State.Pid}}", self._container(part)).stdout)

    def kill(self, part: str) -> int:
        """Kill a part behind the engine's back, since one that the engine kills is not started again."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def control(self) -> ControlClient:
        """A client of the public API."""
        return ControlClient(f"127.0.0.1:{self.ports['INTERLOCK_CTRL__GRPC_PORT']}", "default")

    async def get(self, hostname: str, path: str) -> httpx.Response:
        """Ask the gateway for a hostname."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            url = f"http://127.0.0.1:{self.ports['INTERLOCK_GATEWAY__PORT']}{path}"
            return await client.get(url, headers={"host": hostname}, timeout=10)

    async def instances(self) -> list[str]:
        """The containers of instances, by id."""
        engine = Engine(self._socket)
        try:
            containers = Containers(engine, Folders.under(Path("/var/lib") / self.name))
            return [container.id for container in await containers.all()]
        finally:
            await engine.close()

    def left(self) -> str:
        """The containers, volumes and networks that Compose made, a line each."""
        kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        return "".join(self._run("docker", *kind, "--quiet", *self._ours).stdout for kind in kinds)

    def _container(self, part: str) -> str:
        # By its labels: Compose names containers differently from version to version.
        part_label = f"label=com.docker.compose.service={part}"
        return self._run("docker", "ps", "--all", "--quiet", *self._ours, "--filter", part_label).stdout.strip()

    def _exec(self, part: str, *command: str) -> list[str]:
        return ["docker", "exec", self._container(part), *command]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
