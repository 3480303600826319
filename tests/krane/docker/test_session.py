"""A session with the engine, by the real client of gRPC that asks as the engine does."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from services.domain.errors import Unavailable
from services.domain.images import DOCKER_HUB
from services.gen.buildkit.v1 import session_pb2 as pb
from services.krane.backends.docker import engine as engine_module
from services.krane.backends.docker.building.auth import CREDENTIALS, Auth
from services.krane.backends.docker.building.session import HEALTH, Call, framed, serving
from services.krane.backends.docker.engine import Engine
from services.krane.types import HostCredential

SECONDS = 10


class Methods:
    """What is served, and what became of it."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.was_given_up = asyncio.Event()

    async def large(self, call: Call) -> None:
        await call.send(framed(bytes(3 << 20)))

    async def endless(self, call: Call) -> None:
        self.has_begun.set()
        try:
            while await call.receive():
                await call.send(framed(bytes(1 << 20)))
        finally:
            self.was_given_up.set()


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def engine(methods: Methods, tmp_path: Path) -> AsyncGenerator[grpc.aio.Channel]:
    """The client's end of a session."""
    credentials = [
        HostCredential(host="127.0.0.1:5000", username="u", password="p"),
        HostCredential(host=DOCKER_HUB, username="hub", password="h"),
    ]
    served = {CREDENTIALS: Auth(credentials).answer, "/t/Large": methods.large, "/t/Endless": methods.endless}
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with serving(reader, writer, served):
            await is_over.wait()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    async with server, grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        yield channel
        is_over.set()


async def test_credentials_are_told_for_their_own_registry(engine: grpc.aio.Channel) -> None:
    ask = engine.unary_unary(CREDENTIALS, pb.CredentialsRequest.SerializeToString, pb.CredentialsResponse.FromString)

    hosts = ("127.0.0.1:5000", "127.0.0.1:5001", "registry-1.docker.io", "ghcr.io", "127.0.0.1")
    told = [await ask(pb.CredentialsRequest(host=host), timeout=SECONDS) for host in hosts]

    assert [(one.username, one.secret) for one in told] == [("u", "p"), ("", ""), ("hub", "h"), ("", ""), ("", "")]


async def test_session_is_healthy_and_says_what_it_does_not_know(engine: grpc.aio.Channel) -> None:
    ask = engine.unary_unary(HEALTH, None, health_pb2.HealthCheckResponse.FromString)

    healthy = await ask(b"", timeout=SECONDS)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await engine.unary_unary("/moby.filesync.v1.Auth/FetchToken")(b"", timeout=SECONDS)

    assert healthy.status == health_pb2.HealthCheckResponse.SERVING
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_what_is_larger_than_the_engine_has_room_for_is_sent_whole(engine: grpc.aio.Channel) -> None:
    assert await engine.unary_unary("/t/Large")(b"", timeout=SECONDS) == bytes(3 << 20)


async def test_call_that_the_engine_gives_up_ends_and_others_go_on(methods: Methods, engine: grpc.aio.Channel) -> None:
    call = engine.stream_stream("/t/Endless")()
    await call.write(b"more")
    await asyncio.wait_for(methods.has_begun.wait(), SECONDS)

    call.cancel()

    await asyncio.wait_for(methods.was_given_up.wait(), SECONDS)
    assert len(await engine.unary_unary("/t/Large")(b"", timeout=SECONDS)) == 3 << 20


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "the Docker Engine did not answer within"),
        (b"HTTP/1.1 501 Not Implemented\r\n\r\n", "the Docker Engine answered HTTP/1.1 501 Not Implemented"),
    ],
)
async def test_engine_without_sessions_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, problem: str
) -> None:
    monkeypatch.setattr(engine_module, "CALL_SECONDS", 0.2)
    version = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + version if b"/version" in head else answer)
        await writer.drain()
        if b"/version" not in head:
            await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "s"):
        engine = Engine(tmp_path / "s")
        with pytest.raises(Unavailable, match=problem):
            async with engine.session("id", []):
                pass
        await engine.close()
