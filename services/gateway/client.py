"""The typed client of gateway agents."""

from dataclasses import dataclass
from datetime import timedelta

import grpc

from services.domain.routes import RouteTable
from services.gateway.codec import decode_routes, statuses_as_errors
from services.gateway.snapshot import parse_endpoint
from services.gen.gateway.v1 import gateway_pb2

# What an agent may need beyond the wait that it was asked for: a read of all routes, and the way there and back.
MARGIN = timedelta(seconds=5)
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    # An agent that came back should be found at once, not after gRPC's default of up to 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

Calls = grpc.aio.UnaryUnaryMultiCallable


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """How far one gateway has followed. `rejection` holds Envoy's words when it refused the newest routes, else ""."""

    gateway_id: str
    acknowledged_revision: int
    rejection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySnapshot:
    """One gateway's view of the routes, which may lag behind the database."""

    gateway_id: str
    acknowledged_revision: int
    table: RouteTable


class GatewayClient:
    """Talks to agents by address ("127.0.0.1:18001") and keeps one channel for each.

    Every call has a deadline. Calls raise Unavailable when the agent does not answer or has lost the database, and
    Invalid when the request or the address is wrong.
    """

    def __init__(self) -> None:
        self._agents: dict[str, _AgentCalls] = {}

    async def sync(self, address: str, revision: int, wait: timedelta) -> SyncResult:
        """Have a gateway publish what the database says, and wait (5 s at most) until Envoy serves `revision`."""
        request = gateway_pb2.SyncRequest(revision=revision, wait_ms=round(wait / timedelta(milliseconds=1)))
        async with statuses_as_errors(f"cannot sync the gateway at {address} to revision {revision}"):
            response = await self._calls(address).sync(request, timeout=(wait + MARGIN).total_seconds())
        return SyncResult(
            gateway_id=response.gateway_id,
            acknowledged_revision=response.acknowledged_revision,
            rejection=response.rejection,
        )

    async def snapshot(self, address: str) -> GatewaySnapshot:
        """What a gateway serves at this moment."""
        async with statuses_as_errors(f"cannot read the snapshot of the gateway at {address}"):
            request = gateway_pb2.GetSnapshotRequest()
            response = await self._calls(address).get_snapshot(request, timeout=MARGIN.total_seconds())
        return GatewaySnapshot(
            gateway_id=response.gateway_id,
            acknowledged_revision=response.acknowledged_revision,
            table=decode_routes(response),
        )

    async def close(self) -> None:
        """Close every channel."""
        for agent in self._agents.values():
            await agent.channel.close()
        self._agents.clear()

    def _calls(self, address: str) -> "_AgentCalls":
        if address not in self._agents:
            parse_endpoint(address)
            self._agents[address] = _AgentCalls(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS))
        return self._agents[address]


class _AgentCalls:
    """What the generated stub offers, with types."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.sync: Calls[gateway_pb2.SyncRequest, gateway_pb2.SyncResponse] = channel.unary_unary(
            "/gateway.v1.GatewayService/Sync",
            request_serializer=gateway_pb2.SyncRequest.SerializeToString,
            response_deserializer=gateway_pb2.SyncResponse.FromString,
        )
        self.get_snapshot: Calls[gateway_pb2.GetSnapshotRequest, gateway_pb2.GetSnapshotResponse] = channel.unary_unary(
            "/gateway.v1.GatewayService/GetSnapshot",
            request_serializer=gateway_pb2.GetSnapshotRequest.SerializeToString,
            response_deserializer=gateway_pb2.GetSnapshotResponse.FromString,
        )
