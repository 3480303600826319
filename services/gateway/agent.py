"""The agent of one Envoy: connects its parts and runs them until it is stopped.

The discovery port opens when there is something to serve: the saved snapshot, or the first read of the database.
Before that it stays closed, because an empty answer would make Envoy drop every hostname.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc.aio
from grpc_health.v1 import health, health_pb2

from services.config import LOOPBACK, Settings
from services.db.engine import Database
from services.domain.errors import Conflict
from services.gateway.bootstrap import write_bootstrap
from services.gateway.follower import Follower
from services.gateway.home import gateway_home, hold_home
from services.gateway.publisher import Publisher
from services.gateway.server import GatewayService
from services.gateway.store import SnapshotStore
from services.gateway.xds.cache import ResourceCache
from services.gateway.xds.service import AggregatedDiscoveryService
from services.gen.gateway.v1 import gateway_pb2
from services.gen.gateway.v1.gateway_pb2_grpc import add_GatewayServiceServicer_to_server
from services.rpc.serving import announce, create_server
from services.telemetry import get_logger

SERVICE_NAME = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name
STOP_GRACE_SECONDS = 1.0
SERVER_OPTIONS = (
    # A reconnecting Envoy sends the name and version of everything it holds.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Envoy pings every 10 s (bootstrap.py); with gRPC's defaults the server would close the connection.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)

log = get_logger(__name__)


async def run_agent(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop` is set; raises Conflict if the gateway already has an agent, or a port is in use."""
    with hold_home(gateway_home(settings)):
        write_bootstrap(settings)
        database = Database(settings.database)
        try:
            await Agent(settings, database).run(stop)
        finally:
            await database.close()


class Agent:
    """One agent and its parts."""

    def __init__(self, settings: Settings, database: Database) -> None:
        gateway, home = settings.gateway, gateway_home(settings)
        cache = ResourceCache()
        self._discovery = AggregatedDiscoveryService(cache, gateway.id)
        self._publisher = Publisher(cache, SnapshotStore(home / "snapshot.json"), gateway, home / "access.log")
        self._follower = Follower(database, self._publisher, self._discovery, gateway)
        self._service = GatewayService(gateway.id, self._publisher, self._follower, self._discovery)
        self._health = health.aio.HealthServicer()
        self._gateway = gateway

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        await self._publisher.restore()
        async with self._agent_server() as agent_server, self._discovery_server() as discovery_server:
            await agent_server.start()
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follower.follow())
                opening = tasks.create_task(self._open(discovery_server))
                await stop.wait()
                following.cancel()
                opening.cancel()
        log.info("agent stopped")

    async def _open(self, discovery_server: grpc.aio.Server) -> None:
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._publisher.published.wait()
        await discovery_server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        log.info("agent ready", xds_port=self._gateway.xds_port, agent_port=self._gateway.agent_port)

    async def _set_health(self, status: int) -> None:
        for name in (health.OVERALL_HEALTH, SERVICE_NAME):
            await self._health.set(name, status)

    @asynccontextmanager
    async def _agent_server(self) -> AsyncGenerator[grpc.aio.Server]:
        async with _server(self._gateway.agent_port, STOP_GRACE_SECONDS) as server:
            add_GatewayServiceServicer_to_server(self._service, server)
            announce(server, [SERVICE_NAME], self._health)
            yield server

    @asynccontextmanager
    async def _discovery_server(self) -> AsyncGenerator[grpc.aio.Server]:
        # No grace period: discovery streams do not end by themselves.
        async with _server(self._gateway.xds_port, None) as server:
            self._discovery.add_to(server)
            yield server


@asynccontextmanager
async def _server(port: int, stop_grace: float | None) -> AsyncGenerator[grpc.aio.Server]:
    """Yield a server that is bound to a port but not started; stop it after the block."""
    server = create_server("the gateway", *SERVER_OPTIONS)
    try:
        server.add_insecure_port(f"{LOOPBACK}:{port}")
    except RuntimeError as error:
        raise Conflict(f"cannot listen on {LOOPBACK}:{port}: free that port, or configure another one") from error
    try:
        yield server
    finally:
        await server.stop(stop_grace)
