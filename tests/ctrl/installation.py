"""A real ctrl process with a real Restate and a database of its own, for the tests of ctrl and of the command line."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.db.engine import Database
from services.db.migrations import migrate
from services.domain.status import ENDED
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.restate_server import RestateServer, free_port

IMAGE = "artifact@sha256:" + "a" * 64
GATEWAY_PORT = 8123
DEADLINE = 60.0


class Part:
    """One process, started from a module."""

    def __init__(self, module: str, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._argv = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, is_up: Callable[[], bool]) -> None:
        """Start and wait until it is up."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + DEADLINE
        while not is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self._argv} did not come up:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask it to stop; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(DEADLINE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Installation:
    """ctrl, Restate, the endpoint of tests, and krane for those who ask for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.restate = RestateServer()
        self.grpc_address = f"127.0.0.1:{free_port()}"
        self.http_url = f"http://127.0.0.1:{free_port()}"
        self.database_url = f"sqlite+aiosqlite:///{folder / 'interlock.db'}"
        self.krane_address = f"127.0.0.1:{free_port()}"
        self._endpoint_url = f"http://127.0.0.1:{free_port()}"
        environment = {
            "INTERLOCK_DATABASE_URL": self.database_url,
            "INTERLOCK_DATA_DIR": str(folder),
            "INTERLOCK_RESTATE__INGRESS_URL": self.restate.ingress_url,
            "INTERLOCK_RESTATE__ADMIN_URL": self.restate.admin_url,
            "INTERLOCK_CTRL__PORT": self.http_url.rpartition(":")[2],
            "INTERLOCK_CTRL__GRPC_PORT": self.grpc_address.rpartition(":")[2],
            "INTERLOCK_KRANE__PORT": self.krane_address.rpartition(":")[2],
            "INTERLOCK_GATEWAY__PORT": str(GATEWAY_PORT),
        }
        endpoint_port = self._endpoint_url.rpartition(":")[2]
        arguments = [endpoint_port, self.database_url]
        self._endpoint = Part("tests.ctrl.endpoint", arguments, environment, folder / "endpoint.log")
        self.ctrl = Part("services.ctrl", [], environment, folder / "ctrl.log")
        self._krane = Part("services.krane", [], environment, folder / "krane.log")

    def start(self) -> None:
        """Start everything but krane."""
        asyncio.run(migrate(self.database_url))
        self.restate.start()
        self._endpoint.start(lambda: answers(f"{self._endpoint_url}/health"))
        registered = httpx.post(f"{self.restate.admin_url}/deployments", json={"uri": self._endpoint_url}, timeout=20)
        assert registered.is_success, registered.text
        self.start_ctrl()
        self.ready_file.write_text(json.dumps(self._ready()))

    def start_ctrl(self) -> None:
        """Start ctrl and wait for both doors."""
        self.ctrl.start(lambda: answers(f"{self.http_url}/health") and serves(self.grpc_address))

    def start_krane(self) -> None:
        """Start a real krane."""
        self._krane.start(lambda: serves(self.krane_address))

    def stop_krane(self) -> None:
        """Stop krane."""
        self._krane.stop()

    def stop(self) -> None:
        """Stop everything."""
        self.ctrl.kill()
        self._endpoint.kill()
        self.restate.stop()

    @property
    def ready_file(self) -> Path:
        """Where the command line finds ctrl."""
        return self.folder / "ready.json"

    def client(self, workspace: str = "default") -> ControlClient:
        """A client of the gRPC door."""
        return ControlClient(self.grpc_address, workspace)

    def database(self) -> Database:
        """The database, to look at and to prepare."""
        return Database(self.database_url)

    def _ready(self) -> dict[str, Any]:
        keys = ("ingress", "admin", "gateway", "ctrl", "krane_grpc", "database", "apex", "envoy_admin")
        return dict.fromkeys(keys, "") | {"ctrl_grpc": self.grpc_address, "pids": {}}


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        return httpx.get(url, timeout=1, verify=False).is_success
    except httpx.HTTPError:
        return False


def serves(address: str) -> bool:
    """Whether grpc.health.v1 says SERVING."""
    with grpc.insecure_channel(address) as channel:
        try:
            health = health_pb2_grpc.HealthStub(channel)
            response = health.Check(health_pb2.HealthCheckRequest(), timeout=1)  # type: ignore[attr-defined]
        except grpc.RpcError:
            return False
    return response.status == health_pb2.HealthCheckResponse.SERVING


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not await condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)


async def ended(client: ControlClient, deployment_id: str) -> pb.Deployment:
    """Wait until a deployment has ended."""

    async def has_ended() -> bool:
        return status_of(await client.get_deployment(deployment_id)) in ENDED

    await eventually(has_ended, f"{deployment_id} to end")
    return await client.get_deployment(deployment_id)


async def in_status(client: ControlClient, deployment_id: str, status: str) -> None:
    """Wait until a deployment has a status."""

    async def is_there() -> bool:
        return status_of(await client.get_deployment(deployment_id)) == status

    await eventually(is_there, f"{deployment_id} to be {status}")
