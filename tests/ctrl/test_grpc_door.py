import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from services.ctrl.control import CONTROL_SERVICE
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import Installation

SERVICES = ["ctrl.v1.ControlService", "hydra.v1.DeploymentService", "hydra.v1.RoutingService"]


@pytest.fixture
async def channel(installation: Installation) -> AsyncIterator[grpc.aio.Channel]:
    """A plain channel."""
    async with grpc.aio.insecure_channel(installation.grpc_address) as channel:
        yield channel


async def test_reflection_lists_every_service(channel: grpc.aio.Channel) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    reflect = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    answers = [answer async for answer in reflect(iter([request]), timeout=5)]

    names = {service.name for service in answers[0].list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_every_service_is_healthy(channel: grpc.aio.Channel, service: str) -> None:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )

    response = await check(health_pb2.HealthCheckRequest(service=service), timeout=5)

    assert response.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", [method.name for method in CONTROL_SERVICE.methods if not method.client_streaming])
async def test_what_is_no_message_is_refused_by_every_method(channel: grpc.aio.Channel, method: str) -> None:
    error = await refused(channel, method, b"\x0a\xff\xff\xff\xff\xff")

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid ctrl.v1." in (error.details() or "")


async def test_a_message_over_four_mebibytes_is_refused(channel: grpc.aio.Channel) -> None:
    request = pb.CreateProjectRequest(slug="x" * (4 * 1024 * 1024))

    error = await refused(channel, "CreateProject", request.SerializeToString())

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_callers_who_leave_do_not_hold_up_the_others(
    installation: Installation, channel: grpc.aio.Channel
) -> None:
    create = channel.unary_unary(f"/{CONTROL_SERVICE.full_name}/CreateProject")
    for number in range(20):
        request = pb.CreateProjectRequest(slug=f"gone{number}").SerializeToString()
        with contextlib.suppress(grpc.aio.AioRpcError):
            await create(request, timeout=0.003)

    async with installation.client() as client:
        project = await asyncio.wait_for(client.create_project("stayed"), 5)

    assert project.slug == "stayed"


async def refused(channel: grpc.aio.Channel, method: str, data: bytes) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{CONTROL_SERVICE.full_name}/{method}")(data, timeout=10)
    return caught.value
