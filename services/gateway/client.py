"""The typed client of gateway agents."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc.aio

from services.domain.routes import RouteTable
from services.gateway.codec import decode_routes
from services.gateway.snapshot import parse_endpoint
from services.gen.gateway.v1 import gateway_pb2
from services.gen.gateway.v1.gateway_pb2_grpc import GatewayServiceStub
from services.rpc.calling import call, open_channel

if TYPE_CHECKING:
    from services.gen.gateway.v1.gateway_pb2_grpc import GatewayServiceAsyncStub

# What an agent may need beyond the wait that it was asked for: a read of all routes, and the way there and back.
MARGIN = timedelta(seconds=5)
# All routes of an installation are one message.
UNLIMITED = ("grpc.max_receive_message_length", -1)


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
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def sync(self, address: str, revision: int, wait: timedelta) -> SyncResult:
        """Have a gateway publish what the database says, and wait (5 s at most) until Envoy serves `revision`."""
        request = gateway_pb2.SyncRequest(revision=revision, wait_ms=round(wait / timedelta(milliseconds=1)))
        tried = f"cannot sync the gateway at {address} to revision {revision}"
        response = await call(self._agent(address).Sync, request, timeout=wait + MARGIN, tried=tried)
        return SyncResult(
            gateway_id=response.gateway_id,
            acknowledged_revision=response.acknowledged_revision,
            rejection=response.rejection,
        )

    async def snapshot(self, address: str) -> GatewaySnapshot:
        """What a gateway serves at this moment."""
        request, tried = gateway_pb2.GetSnapshotRequest(), f"cannot read the snapshot of the gateway at {address}"
        response = await call(self._agent(address).GetSnapshot, request, timeout=MARGIN, tried=tried)
        return GatewaySnapshot(
            gateway_id=response.gateway_id,
            acknowledged_revision=response.acknowledged_revision,
            table=decode_routes(response),
        )

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def _agent(self, address: str) -> "GatewayServiceAsyncStub":
        if address not in self._channels:
            parse_endpoint(address)
            self._channels[address] = open_channel(address, UNLIMITED)
        return GatewayServiceStub(self._channels[address])
