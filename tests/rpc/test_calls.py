"""Errors over the wire: what a servicer raises is what the caller gets, whatever streams."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from services.domain.errors import (
    Conflict,
    DeadlineExceeded,
    InterlockError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.ctrl.v1.control_pb2_grpc import ControlServiceStub, add_ControlServiceServicer_to_server
from services.rpc.calling import call, follow, open_channel, statuses_as_errors
from services.rpc.serving import Context, create_server

SOON = timedelta(seconds=60)
Raise = Callable[[], Awaitable[None]]


class World:
    """A server whose methods do what a test says, and a channel to it."""

    def __init__(self) -> None:
        self.behave: Raise = self._nothing
        self.channel = open_channel("127.0.0.1:1")
        self.control = ControlServiceStub(self.channel)

    async def serve(self) -> grpc.aio.Server:
        server = create_server("this part")
        methods: Any = SimpleNamespace(
            **{method.name: self._one for method in pb.DESCRIPTOR.services_by_name["ControlService"].methods}
        )

        methods.FollowLogs, methods.UploadSource = self._many, self._upload
        add_ControlServiceServicer_to_server(methods, server)
        self.channel = open_channel(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        self.control = ControlServiceStub(self.channel)
        await server.start()
        return server

    async def unary(self) -> None:
        await call(self.control.CreateProject, pb.CreateProjectRequest(), timeout=SOON)

    async def stream(self) -> None:
        lines = [line.text async for line in follow(self.control.FollowLogs, pb.FollowLogsRequest())]
        assert lines == ["first", "second"]

    async def upload(self) -> None:
        with statuses_as_errors():
            await self.control.UploadSource(_chunks(), timeout=SOON.total_seconds())

    async def _nothing(self) -> None:
        pass

    async def _one(self, _: Any, __: Context) -> pb.CreateProjectResponse:
        await self.behave()
        return pb.CreateProjectResponse()

    async def _many(self, _: Any, __: Context) -> AsyncIterator[pb.FollowLogsResponse]:
        yield pb.FollowLogsResponse(text="first")
        await self.behave()
        yield pb.FollowLogsResponse(text="second")

    async def _upload(self, requests: AsyncIterator[pb.UploadSourceRequest], _: Context) -> pb.UploadSourceResponse:
        async for request in requests:
            assert request.chunk == b"chunk"
        await self.behave()
        return pb.UploadSourceResponse()


async def _chunks() -> AsyncIterator[pb.UploadSourceRequest]:
    yield pb.UploadSourceRequest(chunk=b"chunk")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.channel.close()
    server = await world.serve()
    yield world
    await world.channel.close()
    await server.stop(None)


def raising(error: Exception) -> Raise:
    async def behave() -> None:
        raise error

    return behave


KINDS = [World.unary, World.stream, World.upload]
kinds = pytest.mark.parametrize("make", KINDS, ids=[kind.__name__ for kind in KINDS])


@kinds
async def test_what_is_answered_arrives(world: World, make: Callable[[World], Awaitable[None]]) -> None:
    await make(world)


@kinds
@pytest.mark.parametrize("kind", [Invalid, NotFound, Conflict, PreconditionFailed, Unavailable])
async def test_an_error_arrives_as_itself(
    world: World, make: Callable[[World], Awaitable[None]], kind: type[InterlockError]
) -> None:
    world.behave = raising(kind("what was tried, on what, and what to do"))

    with pytest.raises(kind) as caught:
        await make(world)

    assert (type(caught.value), caught.value.message) == (kind, "what was tried, on what, and what to do")


@kinds
@pytest.mark.parametrize("bug", [ValueError("a secret"), InterlockError("a secret")])
async def test_a_bug_is_told_without_its_words(
    world: World, make: Callable[[World], Awaitable[None]], bug: Exception
) -> None:
    world.behave = raising(bug)

    with pytest.raises(InterlockError) as caught:
        await make(world)

    assert type(caught.value) is InterlockError
    assert caught.value.message == "something broke inside of this part; its log says what"


async def test_a_late_answer_is_weather_unless_the_caller_says_otherwise(world: World) -> None:
    world.behave = asyncio.Event().wait  # pyright: ignore[reportAttributeAccessIssue] -- it returns a bool, never
    moment = timedelta(milliseconds=50)

    with pytest.raises(Unavailable, match="cannot create: "):
        await call(world.control.CreateProject, pb.CreateProjectRequest(), timeout=moment, tried="cannot create")
    with pytest.raises(DeadlineExceeded):
        await call(world.control.CreateProject, pb.CreateProjectRequest(), timeout=moment, late=DeadlineExceeded)


@kinds
async def test_a_channel_that_is_closed_is_weather(world: World, make: Callable[[World], Awaitable[None]]) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    world.behave = hang
    waiting = asyncio.create_task(make(world))  # pyright: ignore[reportArgumentType] -- a coroutine
    await begun.wait()

    await world.channel.close()

    with pytest.raises(Unavailable, match=r"(?i)closed|cancelled"):
        await waiting
    with pytest.raises(Unavailable, match="closed"):
        await make(world)


@kinds
async def test_a_caller_that_is_cancelled_is_cancelled(world: World, make: Callable[[World], Awaitable[None]]) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    world.behave = hang
    waiting = asyncio.create_task(make(world))  # pyright: ignore[reportArgumentType] -- a coroutine
    await begun.wait()

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("arity", "method"),
    [("unary_unary", "CreateProject"), ("unary_stream", "FollowLogs"), ("stream_unary", "UploadSource")],
)
async def test_what_is_no_message_is_refused(world: World, arity: str, method: str) -> None:
    raw = getattr(world.channel, arity)(f"/ctrl.v1.ControlService/{method}")
    sent = b"\x0a\xff\xff\xff\xff\xff"
    answer = raw(iter([sent]) if arity == "stream_unary" else sent)

    with pytest.raises(grpc.aio.AioRpcError, match=f"not a valid ctrl.v1.ControlService/{method} request") as caught:
        await (anext(aiter(answer)) if arity == "unary_stream" else answer)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
