"""The server at the wire: health, limits of requests, and the client when nobody answers."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from services.config import KraneSettings
from services.domain.errors import Conflict, Invalid, Unavailable
from services.krane.client import KraneClient
from services.krane.server import running
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE


async def test_server_says_that_it_serves(krane: Krane) -> None:
    async with grpc.aio.insecure_channel(krane.address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_absent_krane_is_unavailable(unused_tcp_port: int) -> None:
    async with KraneClient(f"127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(Unavailable, match="krane did not answer"):
            await client.get(NAMESPACE, "any")


async def test_port_that_is_taken_is_a_conflict(krane: Krane, tmp_path: Path) -> None:
    taken = KraneSettings(port=int(krane.address.rpartition(":")[2]))

    with pytest.raises(Conflict, match="free the port"):
        async with running(tmp_path, taken):
            pass


async def test_too_many_log_lines_are_refused(krane: Krane) -> None:
    with pytest.raises(Invalid, match="10000"):
        await krane.client.logs(NAMESPACE, "any", tail_lines=10_001)
    with pytest.raises(Invalid, match="10000"):
        await krane.client.get_build(NAMESPACE, "any", tail_lines=10_001)
