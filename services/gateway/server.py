"""The agent's gRPC surface: gateway.v1.GatewayService."""

from datetime import timedelta

from services.domain.errors import Invalid, Unavailable
from services.gateway.codec import encode_routes
from services.gateway.follower import Follower
from services.gateway.publisher import Publisher
from services.gateway.xds.service import AggregatedDiscoveryService
from services.gen.gateway.v1 import gateway_pb2
from services.gen.gateway.v1.gateway_pb2_grpc import GatewayServiceServicer
from services.rpc.serving import Context

MAX_WAIT_MS = 5_000


class GatewayService(GatewayServiceServicer):
    """Answers for one gateway. Repeating a call is harmless."""

    def __init__(
        self, gateway_id: str, publisher: Publisher, follower: Follower, discovery: AggregatedDiscoveryService
    ) -> None:
        self._gateway_id = gateway_id
        self._publisher = publisher
        self._follower = follower
        self._discovery = discovery

    async def Sync(self, request: gateway_pb2.SyncRequest, context: Context) -> gateway_pb2.SyncResponse:
        """Publish what the database says now and wait for Envoy, `wait_ms` at most."""
        _check_sync(request)
        refused = await self._refresh(request.revision)
        if not refused:
            await self._discovery.wait_acked(request.revision, timedelta(milliseconds=request.wait_ms))
            self._follower.nudge()
        rejection = self._discovery.rejection
        return gateway_pb2.SyncResponse(
            gateway_id=self._gateway_id,
            acknowledged_revision=self._acknowledged,
            rejection=refused or (rejection.message if rejection else ""),
        )

    async def GetSnapshot(
        self, request: gateway_pb2.GetSnapshotRequest, context: Context
    ) -> gateway_pb2.GetSnapshotResponse:
        """What this gateway serves."""
        table = self._publisher.table
        if table is None:
            raise Unavailable(f"gateway {self._gateway_id!r} has no routes yet: it waits for the database")
        return gateway_pb2.GetSnapshotResponse(
            gateway_id=self._gateway_id,
            revision=table.revision,
            acknowledged_revision=self._acknowledged,
            routes=encode_routes(table),
        )

    @property
    def _acknowledged(self) -> int:
        return self._discovery.acked_revision or 0

    async def _refresh(self, revision: int) -> str:
        """Returns why the newest routes cannot be published, or nothing."""
        try:
            await self._follower.refresh()
        except Invalid as error:
            return error.message
        except Unavailable:
            # Without the database, what was published already can still be waited for.
            if self._publisher.table is None or self._publisher.table.revision < revision:
                raise
        return ""


def _check_sync(request: gateway_pb2.SyncRequest) -> None:
    if request.revision < 0:
        raise Invalid(f"cannot sync to revision {request.revision}: it is negative")
    if request.wait_ms > MAX_WAIT_MS:
        raise Invalid(f"cannot wait {request.wait_ms} ms for Envoy: ask for {MAX_WAIT_MS} ms at most, and again")
