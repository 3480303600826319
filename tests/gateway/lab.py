"""A whole gateway on this machine: a database, the agent as a process of its own, a real Envoy."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import delete

from services.config import GatewaySettings, Settings
from services.db.engine import Database
from services.db.routes import next_revision
from services.db.tables import (
    Base,
    Deployment,
    Environment,
    GatewayConfig,
    Instance,
    Project,
    RoutingRevision,
    Workspace,
)
from services.domain.errors import Unavailable
from services.domain.settings import HTTP1
from services.gateway.bootstrap import envoy_command, write_bootstrap
from services.gateway.client import GatewayClient, SyncResult

DEADLINE = timedelta(seconds=30)
WAIT = timedelta(seconds=5)
# Below the range that outgoing connections take their ports from, so that none is lost between two starts.
PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition, with a deadline."""
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in time: {what}") from None


def lab_settings(data_dir: Path, gateway: Mapping[str, object] | None = None, **changes: object) -> Settings:
    """Settings of a gateway with ports of its own."""
    port, admin, xds, agent = free_ports(4)
    ports = {"port": port, "envoy_admin_port": admin, "xds_port": xds, "agent_port": agent}
    chosen = GatewaySettings.model_validate({**ports, "poll_seconds": 0.2, **(gateway or {})})
    return Settings(data_dir=data_dir, gateway=chosen).model_copy(update=changes)


async def stop_process(process: asyncio.subprocess.Process, number: int = signal.SIGTERM) -> None:
    """End a process that the lab started."""
    if process.returncode is None:
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), DEADLINE.total_seconds())


@asynccontextmanager
async def running_envoy(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The gateway's Envoy."""
    write_bootstrap(settings)
    with (settings.data_dir / "envoy.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*envoy_command(settings), stdout=log, stderr=log)
    try:
        yield process
    finally:
        await stop_process(process)


@asynccontextmanager
async def running_agent_process(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The gateway's agent."""
    gateway = settings.gateway.model_dump(mode="json")
    environment = dict(os.environ)
    for name, value in gateway.items():
        environment[f"INTERLOCK_GATEWAY__{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)
    environment["INTERLOCK_DATA_DIR"] = str(settings.data_dir)
    environment["INTERLOCK_DATABASE_URL"] = settings.database_url
    with (settings.data_dir / "agent.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        await stop_process(process)


class Routes:
    """Writes routes into a database, each change in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[str] = set()

    async def create(self) -> None:
        """Make the schema and the rows that deployments belong to."""
        async with self._database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with self._database.write() as session:
            session.add(RoutingRevision(id=1, revision=0))
            session.add(Workspace(id="ws", slug="ws", created_at_ms=0))
            await session.flush()
            session.add(Project(id="p", workspace_id="ws", slug="p", created_at_ms=0))
            await session.flush()
            session.add(Environment(id="e", project_id="p", slug="production", is_production=True))

    async def write(
        self, routes: Mapping[str, str], instances: Mapping[str, Iterable[str]], protocol: str = HTTP1
    ) -> int:
        """Replace all routes and instances; returns the new revision. New deployments speak the protocol."""
        async with self._database.write() as session:
            await session.execute(delete(GatewayConfig))
            await session.execute(delete(Instance))
            for id in sorted({*routes.values(), *instances} - self._known):
                session.add(self._deployment(id, protocol))
            await session.flush()
            revision = await next_revision(session)
            session.add_all(_config(hostname, id) for hostname, id in routes.items())
            for id, addresses in instances.items():
                session.add_all(_instance(id, number, address) for number, address in enumerate(addresses))
        return revision

    def _deployment(self, id: str, protocol: str) -> Deployment:
        self._known.add(id)
        return Deployment(
            id=id,
            workspace_id="ws",
            project_id="p",
            environment_id="e",
            generation=len(self._known),
            status="ready",
            run={"protocol": protocol},
            created_at_ms=0,
        )


def _config(hostname: str, deployment_id: str) -> GatewayConfig:
    return GatewayConfig(hostname=hostname, deployment_id=deployment_id)


def _instance(deployment_id: str, number: int, address: str) -> Instance:
    return Instance(
        deployment_id=deployment_id,
        id=f"i{number}",
        address=address,
        status="running",
        healthy=True,
        updated_at_ms=0,
    )


class Lab:
    """A running gateway, and what tests do with it."""

    def __init__(self, settings: Settings, database: Database, client: GatewayClient, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self.database = database
        self.client = client
        self.http = http
        self.routes = Routes(database)

    async def get(self, hostname: str, path: str = "/") -> httpx.Response:
        """Ask the gateway."""
        return await self.http.get(f"http://127.0.0.1:{self.settings.gateway.port}{path}", headers={"Host": hostname})

    async def sync(self, revision: int, wait: timedelta = WAIT) -> SyncResult:
        """Have the agent follow."""
        return await self.client.sync(self.settings.gateway.agent_address, revision, wait)

    async def serve(
        self, routes: Mapping[str, str], instances: Mapping[str, Iterable[str]], protocol: str = HTTP1
    ) -> int:
        """Write routes and wait until Envoy acknowledged them. New deployments speak the protocol."""
        revision = await self.routes.write(routes, instances, protocol)
        result = await self.sync(revision)
        assert (result.acknowledged_revision, result.rejection) == (revision, "")
        return revision

    async def synced(self, revision: int) -> None:
        """Wait until the agent answers and Envoy has acknowledged a revision."""

        async def acknowledged() -> bool:
            try:
                return (await self.sync(revision)).acknowledged_revision >= revision
            except Unavailable:
                return False

        await eventually(acknowledged, f"revision {revision} acknowledged")

    def agent_log(self) -> str:
        """What the agent has logged."""
        return (self.settings.data_dir / "agent.log").read_text()


@asynccontextmanager
async def bare_lab(settings: Settings) -> AsyncGenerator[Lab]:
    """A lab with a database, and neither agent nor Envoy."""
    database, client = Database(settings.database), GatewayClient()
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        lab = Lab(settings, database, client, http)
        await lab.routes.create()
        try:
            yield lab
        finally:
            await client.close()
            await database.close()


@asynccontextmanager
async def running_lab(settings: Settings) -> AsyncGenerator[Lab]:
    """A lab with everything, in sync."""
    async with bare_lab(settings) as lab, running_agent_process(settings), running_envoy(settings):
        await lab.synced(0)
        yield lab
