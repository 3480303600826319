"""A BuildKit session: during a build the engine calls krane, with gRPC over one HTTP/2 connection.

krane opens the connection, but the engine is the client on it and calls methods that krane serves. A call is a stream
of messages in both directions. grpclib implements HTTP/2. What the engine sends is small and is read at once; what it
gets is sent with flow control. Calls end with the connection, and the connection ends with the block that serves it.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from grpc_health.v1 import health_pb2
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, H2Protocol, Stream
from h2.config import H2Configuration

from services.telemetry import get_logger

log = get_logger(__name__)

HEALTH = "/grpc.health.v1.Health/Check"
# Status codes of gRPC.
OK, UNIMPLEMENTED = "0", "12"
READ_BYTES = 64 * 1024
# Prefix of each message: whether it is compressed, and its length.
_PREFIX = struct.Struct(">BI")

Headers = list[tuple[str, str]]


def framed(message: bytes) -> bytes:
    """Return a message with its prefix."""
    return _PREFIX.pack(0, len(message)) + message


class Call:
    """One call of the engine."""

    def __init__(self, metadata: Mapping[str, list[str]], stream: Stream, writer: asyncio.StreamWriter) -> None:
        self.metadata = metadata
        self._stream = stream
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send framed messages, in pieces of any size."""
        await self._stream.send_data(data)
        # grpclib respects the engine's flow control, but not a full buffer of a socket that it did not open.
        await self._writer.drain()

    async def receive(self) -> list[bytes]:
        """Return the messages since the last call, at least one; none after the last."""
        messages: list[bytes] = []
        prefix = await self._stream.recv_data(_PREFIX.size)
        while prefix:
            messages.append(await self._stream.recv_data(int.from_bytes(prefix[1:])))
            try:
                async with asyncio.timeout(0):
                    prefix = await self._stream.recv_data(_PREFIX.size)
            except TimeoutError:
                break
        return messages


Method = Callable[[Call], Awaitable[None]]


@asynccontextmanager
async def serving(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Mapping[str, Method]
) -> AsyncGenerator[None]:
    """Serve methods, by path, on a connection while the block runs."""
    session = asyncio.create_task(_serve(reader, writer, {**methods, HEALTH: _answer_health}))
    try:
        yield
    finally:
        session.cancel()
        (ended,) = await asyncio.gather(session, return_exceptions=True)
        if isinstance(ended, Exception):
            # The answer to the build request says how the build ended.
            log.warning("a session with the engine broke off", exc_info=ended)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Mapping[str, Method]) -> None:
    """Serve until the engine closes the connection."""
    try:
        async with asyncio.TaskGroup() as group:
            calls = _Calls(writer, methods, group)
            http = H2Configuration(client_side=False, header_encoding="utf-8")
            protocol = H2Protocol(calls, Configuration().__for_server__(), http)
            protocol.connection_made(writer.transport)
            while data := await reader.read(READ_BYTES):
                protocol.data_received(data)
            calls.close()
    finally:
        # The engine ends the build of a closed session.
        writer.transport.abort()


class _Calls(AbstractHandler):
    """The calls that run on one connection."""

    def __init__(self, writer: asyncio.StreamWriter, methods: Mapping[str, Method], group: asyncio.TaskGroup) -> None:
        self._writer = writer
        self._methods = methods
        self._group = group
        self._tasks: dict[Stream, asyncio.Task[None]] = {}

    def accept(self, stream: Stream, headers: Headers, release_stream: Callable[[], None]) -> None:
        """Begin a call."""

        def forget(task: asyncio.Task[None]) -> None:
            del self._tasks[stream]
            release_stream()

        self._tasks[stream] = self._group.create_task(self._answer(stream, headers))
        self._tasks[stream].add_done_callback(forget)

    def cancel(self, stream: Stream) -> None:
        """End a call that the engine cancelled."""
        if task := self._tasks.get(stream):
            task.cancel()

    def close(self) -> None:
        """End all calls."""
        for task in self._tasks.values():
            task.cancel()

    async def _answer(self, stream: Stream, headers: Headers) -> None:
        metadata: dict[str, list[str]] = {}
        for name, value in headers:
            metadata.setdefault(name, []).append(value)
        begin = [(":status", "200"), ("content-type", "application/grpc")]
        method = self._methods.get(metadata[":path"][0])
        if method is None:
            await stream.send_headers([*begin, ("grpc-status", UNIMPLEMENTED)], end_stream=True)
        else:
            await stream.send_headers(begin)
            await method(Call(metadata, stream, self._writer))
            await stream.send_headers([("grpc-status", OK)], end_stream=True)


async def _answer_health(call: Call) -> None:
    await call.receive()
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    await call.send(framed(serving.SerializeToString()))
