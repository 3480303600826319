"""Instances that speak HTTP/2 without TLS, gRPC above all, through a real Envoy."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from services.domain.settings import H2C
from tests.gateway.apps import running_app
from tests.gateway.lab import Lab
from tests.gateway.test_proxies import open_websocket

pytestmark = pytest.mark.envoy

HOSTNAME = "grpc.example.com"
ECHO = "echo.Echo"
Context = grpc.aio.ServicerContext[bytes, bytes]


async def say(request: bytes, context: Context) -> bytes:
    """Answer with the request, and tell in trailers what came with it."""
    sent = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
    context.set_trailing_metadata((("x-said", sent["x-say"]),))
    return request


async def count(request: bytes, context: Context) -> AsyncIterator[bytes]:
    """Stream numbers, the last only when the client has told that it got the others."""
    for number in range(int(request)):
        yield str(number).encode()
    context.set_trailing_metadata((("x-counted", request.decode()),))


async def refuse(request: bytes, context: Context) -> bytes:
    """End with a status of the app's own."""
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {request.decode()}")


async def wait(request: bytes, context: Context) -> bytes:
    """Wait until the client gives up, and note how long it said that it would wait."""
    WAITED.append(context.time_remaining())
    await asyncio.sleep(60)
    return request


async def talk(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    """Answer each message before the next one comes."""
    async for request in requests:
        yield request.upper()


WAITED: list[float | None] = []
METHODS = {
    "Say": grpc.unary_unary_rpc_method_handler(say),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
}


@asynccontextmanager
async def running_grpc_app() -> AsyncGenerator[str]:
    """A gRPC server with health and reflection; yields its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ECHO, METHODS),))
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection((ECHO, health.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.fixture(scope="module")
async def app() -> AsyncGenerator[str]:
    async with running_grpc_app() as address:
        yield address


@pytest.fixture
async def channel(lab: Lab, app: str) -> AsyncGenerator[grpc.aio.Channel]:
    """A client of the app, through the gateway."""
    await lab.serve({HOSTNAME: "dep-grpc"}, {"dep-grpc": [app]}, H2C)
    async with channel_of(lab) as channel:
        yield channel


def channel_of(lab: Lab) -> grpc.aio.Channel:
    options = [("grpc.default_authority", f"{HOSTNAME}:8000")]
    return grpc.aio.insecure_channel(f"127.0.0.1:{lab.settings.gateway.port}", options)


def method(make: Callable[[str], Any], name: str) -> Any:
    return make(f"/{ECHO}/{name}")


async def test_a_unary_call_has_its_metadata_and_trailers(channel: grpc.aio.Channel) -> None:
    call = method(channel.unary_unary, "Say")(b"hello", metadata=(("x-say", "hi"),))

    assert await call == b"hello"
    assert dict(await call.trailing_metadata())["x-said"] == "hi"


async def test_a_stream_has_all_its_messages_and_trailers(channel: grpc.aio.Channel) -> None:
    call = method(channel.unary_stream, "Count")(b"1000")

    assert [int(message) async for message in call] == list(range(1000))
    assert dict(await call.trailing_metadata())["x-counted"] == "1000"


async def test_both_sides_stream_at_once(channel: grpc.aio.Channel) -> None:
    call = method(channel.stream_stream, "Talk")()

    for message in (b"one", b"two", b"three"):
        await call.write(message)
        assert await call.read() == message.upper()
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF


async def test_a_status_of_the_app_is_the_clients(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await method(channel.unary_unary, "Refuse")(b"luck")

    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "no luck")


async def test_a_deadline_reaches_the_app_and_ends_the_call(channel: grpc.aio.Channel) -> None:
    WAITED.clear()
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await method(channel.unary_unary, "Wait")(b"", timeout=1.0)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 30
    assert WAITED[0] is not None
    # gRPC rounds a timeout up on the wire.
    assert 0 < WAITED[0] <= 1.1


async def test_health_and_reflection_are_asked_as_of_any_grpc_server(channel: grpc.aio.Channel) -> None:
    # Their types know no asynchronous channel.
    checks, reflections = cast(Any, health_pb2_grpc.HealthStub), cast(Any, reflection_pb2_grpc.ServerReflectionStub)
    answer = await checks(channel).Check(health_pb2.HealthCheckRequest())
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    found = reflections(channel).ServerReflectionInfo(iter([request]))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    listed = await anext(aiter(found))
    assert {service.name for service in listed.list_services_response.service} == {ECHO, health.SERVICE_NAME}


async def test_a_call_to_nobody_is_told_so_in_a_status(channel: grpc.aio.Channel, lab: Lab) -> None:
    await lab.serve({}, {})

    with pytest.raises(grpc.aio.AioRpcError, match="No deployment is assigned to this hostname"):
        await method(channel.unary_unary, "Say")(b"hello")


async def test_a_grpc_app_without_the_setting_is_told_of_it(lab: Lab, app: str) -> None:
    await lab.serve({HOSTNAME: "dep-unsaid"}, {"dep-unsaid": [app]})

    async with channel_of(lab) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="needs the setting protocol=h2c"):
            await method(channel.unary_unary, "Say")(b"hello")


async def test_clients_of_http_1_reach_an_instance_that_speaks_http_2(lab: Lab, tmp_path: Path) -> None:
    async with running_app("starlette", tmp_path / "starlette.log") as address:
        await lab.serve({HOSTNAME: "dep-http2"}, {"dep-http2": [address]}, H2C)

        answer = await lab.get(HOSTNAME, "/http2")
        websocket = await asyncio.to_thread(open_websocket, lab, HOSTNAME, f"http://{HOSTNAME}")

    assert answer.status_code == 200
    assert websocket.startswith(b"HTTP/1.1 101")
