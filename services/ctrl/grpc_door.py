"""The public API over gRPC."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import grpc.aio
from google.protobuf.message import Message

from services.ctrl.control import Method, Stream
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.ctrl.v1.control_pb2_grpc import ControlServiceServicer, add_ControlServiceServicer_to_server
from services.rpc.serving import Context

Upload = Callable[[AsyncIterator[pb.UploadSourceRequest]], Awaitable[pb.UploadSourceResponse]]


def add_control(
    server: grpc.aio.Server, methods: Mapping[str, Method], streams: Mapping[str, Stream], upload: Upload
) -> None:
    """Serve ctrl.v1.ControlService; `methods` and `streams` are by name, as for the HTTP server."""
    calls = {name: _call(method) for name, method in {**methods, "UploadSource": upload}.items()}
    calls |= {name: _follow(stream) for name, stream in streams.items()}
    add_ControlServiceServicer_to_server(cast(ControlServiceServicer, SimpleNamespace(**calls)), server)


def _call(method: Callable[[Any], Awaitable[Message]]) -> Callable[[Any, Context], Any]:
    async def call(request: Any, _: Context) -> Message:
        return await method(request)

    return call


def _follow(stream: Stream) -> Callable[[Any, Context], Any]:
    async def follow(request: Any, _: Context) -> AsyncGenerator[Message]:
        async with aclosing(await stream(request)) as messages:
            async for message in messages:
                yield message

    return follow
