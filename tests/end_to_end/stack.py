"""A whole installation for tests: the real `interlock up` in its own process, and methods to use it."""

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import text

from services.ctrl.client import ControlClient
from services.ctrl.enums import STICKY, status_of
from services.db.engine import Database
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from services.runtime.health import answers_ok, serves_grpc

ROOT = Path(__file__).resolve().parent.parent.parent
APP = Path(__file__).parent / "app.py"
INTERLOCK = Path(sys.executable).parent / "interlock"
ENDED = frozenset({"ready", "failed", "cancelled", "superseded", "stopped", "removed"})
T = TypeVar("T")


class Stack:
    """One running installation."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._environment = {**os.environ, **environment, "NO_COLOR": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start and wait until it is ready."""
        output = (self.data_dir.parent / f"{self.data_dir.name}-up.log").open("ab")
        argv = [str(INTERLOCK), "up", "--data-dir", str(self.data_dir), "--ports", "auto"]
        argv += ["--ready-file", str(self.ready_file)]
        self._process = subprocess.Popen(argv, env=self._environment, stdout=output, stderr=output)
        output.close()
        deadline = time.monotonic() + 60
        while not self.ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"`interlock up` did not become ready:\n{Path(output.name).read_text()[-5000:]}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Stop it cleanly; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    @property
    def ready_file(self) -> Path:
        """Path of its ready file."""
        return self.data_dir.parent / f"{self.data_dir.name}-ready.json"

    @property
    def ready(self) -> dict[str, Any]:
        """The content of the ready file, now."""
        value: dict[str, Any] = json.loads(self.ready_file.read_text())
        return value

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one part; returns its process id."""
        pid = int(self.ready["pids"][part])
        os.kill(pid, number)
        return pid

    @contextmanager
    def hanging(self, part: str) -> Generator[None]:
        """Suspend a part for the block."""
        pid = self.kill(part, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def restarted(self, part: str, old_pid: int) -> None:
        """Wait until a part runs again under another process id, and answers."""

        async def is_back() -> bool:
            if not self.ready_file.exists() or self.ready["pids"].get(part, old_pid) == old_pid:
                return False
            match part:
                case "krane" | "ctrl":
                    return await serves_grpc(self.ready[f"{part}_grpc"])
                case "restate":
                    return await answers_ok(f"{self.ready['admin']}/health", f"{self.ready['ingress']}/restate/health")
                case "envoy":
                    return await answers_ok(f"{self.ready['envoy_admin']}/ready")
                case _:
                    # Nothing to wait for here: parts that need it wait themselves.
                    return True

        await eventually(is_back, f"{part} to be started again", timeout=30)

    # -- hands ------------------------------------------------------------------------------------------------------

    def control(self, workspace: str = "default") -> ControlClient:
        """A client of the public API."""
        return ControlClient(self.ready["ctrl_grpc"], workspace)

    def restate(self) -> RestateClient:
        """A client of Restate."""
        return RestateClient(self.ready["ingress"], self.ready["admin"])

    def database(self) -> Database:
        """The database itself."""
        return Database(self.ready["database"])

    def cli(self, *args: str, timeout: float = 60, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line against this installation."""
        environment = {**self._environment, "INTERLOCK_READY_FILE": str(self.ready_file)}
        return subprocess.run(
            [str(INTERLOCK), *args],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def cli_on_a_terminal(self, *args: str, answer: str) -> subprocess.CompletedProcess[str]:
        """Run the command line with a terminal as its standard input, on which `answer` is typed."""
        keyboard, terminal = os.openpty()
        try:
            os.write(keyboard, f"{answer}\n".encode())
            return subprocess.run(
                [str(INTERLOCK), *args],
                env={**self._environment, "INTERLOCK_READY_FILE": str(self.ready_file)},
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(keyboard)
            os.close(terminal)

    def restate_cli(self, *args: str) -> str:
        """Run Restate's own command line against this installation."""
        binary = next((ROOT / "tools/node_modules/@restatedev").glob("restate-linux-*/bin/restate"), None)
        binary = binary or next((ROOT / "tools/node_modules/@restatedev").glob("restate-darwin-*/bin/restate"))
        environment = {
            "RESTATE_ADMIN_URL": self.ready["admin"],
            "RESTATE_INGRESS_URL": self.ready["ingress"],
            "RESTATE_CLI_CONFIG_HOME": str(self.data_dir / "restate-cli"),
            "HOME": str(self.data_dir),
            "CI": "1",
            "NO_COLOR": "1",
            "DO_NOT_TRACK": "1",
        }
        done = subprocess.run(
            [str(binary), *args], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout + done.stderr

    async def get(self, hostname: str, path: str = "/") -> httpx.Response:
        """Ask the gateway for a hostname."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            return await client.get(f"{self.ready['gateway']}{path}", headers={"host": hostname}, timeout=10)

    async def sql(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Read from the database."""
        database = self.database()
        try:
            async with database.read() as session:
                result = await session.execute(text(query), values)
                return [dict(row) for row in result.mappings()]
        finally:
            await database.close()

    async def journal(self, invocation_id: str) -> str:
        """Read an invocation of Deploy from Restate's SQL tables."""
        query = {"query": f"select * from sys_journal where id = '{invocation_id}'"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{self.ready['admin']}/query", json=query, headers={"accept": "application/json"}
            )
        rows = answer.raise_for_status().json()["rows"]
        assert any("create in krane" in str(row) for row in rows)
        return json.dumps(rows)

    def instance_processes(self, deployment_id: str) -> list[int]:
        """Return the ids of a deployment's processes, found by their environment."""
        mark = f"INTERLOCK_DEPLOYMENT_ID={deployment_id}".encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


@dataclass
class Project:
    """A project for one test."""

    stack: Stack
    control: ControlClient
    id: str
    slug: str
    sources: Path

    async def source(self, version: str, behaviour: str = "ok", *, files: Mapping[str, str] | None = None) -> str:
        """Upload the app of app.py with this version and behaviour."""
        folder = self.sources / f"{version}-{behaviour}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(APP, folder / "app.py")
        (folder / "VERSION").write_text(version)
        (folder / "BEHAVIOUR").write_text(behaviour)
        (folder / "interlock.toml").write_text(
            '[start]\ncommand = ["python3", "app.py"]\n\n[health]\npath = "/healthz"\n'
        )
        for name, content in (files or {}).items():
            (folder / name).write_text(content)
        return await self.control.upload_source(chunked(pack(folder)))

    async def create(
        self, version: str, behaviour: str = "ok", environment: str = "production", **fields: Any
    ) -> pb.Deployment:
        """Create a deployment without waiting for it."""
        source = fields.pop("source", None) or await self.source(version, behaviour)
        request = pb.CreateDeploymentRequest(
            project=self.slug,
            environment=environment,
            source=source,
            **{"branch": "main", "commit": "abcdef0", **fields},
        )
        return await self.control.create_deployment(request)

    async def deploy(
        self, version: str, behaviour: str = "ok", environment: str = "production", **fields: Any
    ) -> pb.Deployment:
        """Create a deployment and wait until it has ended."""
        created = await self.create(version, behaviour, environment, **fields)
        return await self.ended(created.id)

    async def ended(self, deployment_id: str, timeout: float = 90) -> pb.Deployment:
        """Wait until a deployment has ended."""

        async def look() -> pb.Deployment | None:
            found = await self.control.get_deployment(deployment_id)
            return found if status_of(found) in ENDED else None

        # Polling more often would slow down the deployment.
        return await eventually(look, f"deployment {deployment_id} to end", timeout=timeout, pause=0.1)

    async def reaches(self, deployment_id: str, step: str, timeout: float = 60) -> None:
        """Wait until a deployment has begun a step."""

        async def look() -> bool:
            found = await self.control.get_deployment(deployment_id)
            assert status_of(found) not in {"failed", "cancelled", "superseded"}, found
            return any(s.name == step for s in found.steps)

        await eventually(look, f"deployment {deployment_id} to reach {step!r}", timeout=timeout)

    async def hostname(self, sticky: str, deployment_id: str = "", environment: str = "production") -> str:
        """The project's hostname of one kind."""
        domains = (await self.control.list_domains(self.slug)).domains
        return next(
            d.hostname
            for d in domains
            if STICKY.decode(d.sticky) == sticky
            and d.environment == environment
            and (not deployment_id or d.deployment_id == deployment_id)
        )

    async def answers(self, sticky: str, environment: str = "production", deployment_id: str = "") -> str:
        """Return the gateway's answer for the project's hostname of one kind."""
        response = await self.stack.get(await self.hostname(sticky, deployment_id, environment))
        return response.json()["version"] if response.status_code == 200 else str(response.status_code)

    async def live(self) -> str:
        """The live deployment in the database."""
        rows = await self.stack.sql("select live_deployment_id from projects where id = :id", id=self.id)
        return rows[0]["live_deployment_id"] or ""

    async def assert_gone(self, deployment_id: str) -> None:
        """Assert that a deployment has no process, instance record, route or domain left."""
        assert self.stack.instance_processes(deployment_id) == []
        for table in ("instances", "domains", "gateway_configs"):
            query = f"select count(*) as n from {table} where deployment_id = :id"
            assert (await self.stack.sql(query, id=deployment_id))[0]["n"] == 0, table


async def eventually(
    look: Callable[[], Awaitable[T | None]], what: str, *, timeout: float = 20, pause: float = 0.05
) -> T:
    """Call `look` until its result is true; fails at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        await asyncio.sleep(pause)


def pack(folder: Path) -> bytes:
    """A source tree as a gzipped tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


async def chunked(data: bytes) -> AsyncIterator[bytes]:
    """Split bytes into chunks of a megabyte, for an upload."""
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]
