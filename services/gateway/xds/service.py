"""The discovery service for one Envoy, and what that Envoy has acknowledged."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from datetime import timedelta

import grpc
from google.protobuf.message import Message

from services.domain.errors import DeadlineExceeded, Invalid
from services.gateway.envoy_api import DiscoveryRequest, parse_discovery_request
from services.gateway.xds.cache import ResourceCache, ResourceKey
from services.gateway.xds.pulse import Pulse
from services.gateway.xds.stream import DeltaStream, Rejection
from services.telemetry import get_logger

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "DeltaAggregatedResources"

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[DiscoveryRequest, Message]


class AggregatedDiscoveryService:
    """Serves one cache to the Envoy named `node_id`. While a new Envoy replaces the old one there are two streams."""

    def __init__(self, cache: ResourceCache, node_id: str) -> None:
        self._cache = cache
        self._node_id = node_id
        self._streams: set[DeltaStream] = set()
        self._progress = Pulse()
        cache.observe(self._on_commit)

    @property
    def acked_revision(self) -> int | None:
        """The revision that every connected Envoy has acknowledged; None unless all are in sync."""
        revisions = [stream.acked_revision for stream in self._streams]
        known = [revision for revision in revisions if revision is not None]
        return min(known) if known and len(known) == len(revisions) else None

    @property
    def rejection(self) -> Rejection | None:
        """The latest rejection that still stands."""
        rejections = [stream.rejection for stream in self._streams if stream.rejection]
        return max(rejections, key=lambda rejection: rejection.revision, default=None)

    async def wait_acked(self, revision: int, within: timedelta) -> bool:
        """Wait until `revision` is acknowledged or rejected, or time is up; returns whether it is acknowledged."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not self._is_acked(revision) and not self._is_rejected(revision):
                    await self._progress.wait()
        except TimeoutError:
            pass
        return self._is_acked(revision)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Add the service to a gRPC server."""
        method = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=parse_discovery_request, response_serializer=_serialize
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),))

    async def _serve(self, requests: AsyncIterable[DiscoveryRequest], context: Context) -> None:
        stream = DeltaStream(self._cache, context.write, self._progress)
        tasks = [
            asyncio.create_task(stream.receive(self._admitted(stream, requests))),
            asyncio.create_task(stream.push()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Invalid as error:
            log.warning("discovery request refused", reason=error.message)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        except DeadlineExceeded as error:
            # Envoy reconnects and sends the versions that it has.
            log.warning("discovery stream given up", reason=error.message)
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, error.message)
        finally:
            self._leave(stream)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _admitted(
        self, stream: DeltaStream, requests: AsyncIterable[DiscoveryRequest]
    ) -> AsyncGenerator[DiscoveryRequest]:
        """Register the stream at its first request, which names the node; raises Invalid for another node."""
        async for request in requests:
            if stream not in self._streams:
                if request.node.id != self._node_id:
                    raise Invalid(f"cannot serve node {request.node.id!r}: this agent serves {self._node_id!r}")
                log.info("Envoy connected")
                self._streams.add(stream)
            yield request

    def _leave(self, stream: DeltaStream) -> None:
        if stream in self._streams:
            log.info("Envoy disconnected")
            self._streams.remove(stream)
            self._progress.beat()

    def _on_commit(self, changed: Iterable[ResourceKey]) -> None:
        for stream in self._streams:
            stream.on_commit(changed)

    def _is_acked(self, revision: int) -> bool:
        return self.acked_revision is not None and self.acked_revision >= revision

    def _is_rejected(self, revision: int) -> bool:
        return self.rejection is not None and self.rejection.revision >= revision


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
