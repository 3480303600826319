"""A session of BuildKit: the engine calls krane while it builds, by gRPC over one connection of HTTP/2.

krane opens the connection, and the engine is the client on it: it calls the methods that krane serves. A call is a
stream of messages in either direction. What the engine sends is small, and taken as it comes; what it gets is sent as
far as it has room. Calls end with the connection, and the connection with the block that serves it.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from grpc_health.v1 import health_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)

from services.telemetry import get_logger

log = get_logger(__name__)

HEALTH = "/grpc.health.v1.Health/Check"
# Of gRPC.
OK, UNIMPLEMENTED = "0", "12"
READ_BYTES = 64 * 1024
# Before each message: whether it is compressed, and its length.
_PREFIX = struct.Struct(">BI")


def framed(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return _PREFIX.pack(0, len(message)) + message


class Call:
    """One call of the engine."""

    def __init__(self, metadata: Mapping[str, list[str]], send: Callable[[bytes], Awaitable[None]]) -> None:
        """`send` takes framed messages, in pieces of any size."""
        self.metadata = metadata
        self.send = send
        self._received = bytearray()
        self._has_ended = False
        self._news = asyncio.Event()

    async def receive(self) -> list[bytes]:
        """The messages that came since the last time, at least one; none when there are to be no more."""
        while not (messages := self._take()) and not self._has_ended:
            self._news.clear()
            await self._news.wait()
        return messages

    def feed(self, data: bytes) -> None:
        """Take what the engine sent."""
        self._received += data
        self._news.set()

    def end(self) -> None:
        """The engine has said all."""
        self._has_ended = True
        self._news.set()

    def _take(self) -> list[bytes]:
        messages: list[bytes] = []
        while len(self._received) >= _PREFIX.size:
            end = _PREFIX.size + int.from_bytes(self._received[1 : _PREFIX.size])
            if len(self._received) < end:
                break
            messages.append(bytes(self._received[_PREFIX.size : end]))
            del self._received[:end]
        return messages


Method = Callable[[Call], Awaitable[None]]


@asynccontextmanager
async def serving(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Mapping[str, Method]
) -> AsyncGenerator[None]:
    """Serve methods, by their paths, on a connection while the block runs."""
    session = asyncio.create_task(_Session(reader, writer, {**methods, HEALTH: _answer_health}).run())
    try:
        yield
    finally:
        session.cancel()
        (ended,) = await asyncio.gather(session, return_exceptions=True)
        if isinstance(ended, Exception):
            # What the engine says of the build is the answer.
            log.warning("a session with the engine broke off", exc_info=ended)


class _Session:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, methods: Mapping[str, Method]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._methods = methods
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        # By stream: the calls that run.
        self._calls: dict[int, Call] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Serve until the engine closes the connection."""
        try:
            async with asyncio.TaskGroup() as group:
                self._http.initiate_connection()
                await self._flush()
                while data := await self._reader.read(READ_BYTES):
                    for event in self._http.receive_data(data):
                        self._take(event, group)
                    await self._flush()
                for task in self._tasks.values():
                    task.cancel()
        finally:
            # The engine ends the build of a session that is gone.
            self._writer.transport.abort()

    def _take(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event:
            case RequestReceived():
                self._begin(event, group)
            case DataReceived():
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if call := self._calls.get(event.stream_id):
                    call.feed(event.data)
            case StreamEnded():
                if call := self._calls.get(event.stream_id):
                    call.end()
            case StreamReset():
                if task := self._tasks.get(event.stream_id):
                    task.cancel()
            case WindowUpdated() | RemoteSettingsChanged():
                self._room.set()
            case _:
                pass

    def _begin(self, event: RequestReceived, group: asyncio.TaskGroup) -> None:
        stream, metadata = event.stream_id, _metadata(event)
        call = Call(metadata, lambda data: self._send(stream, data))
        self._calls[stream] = call
        self._tasks[stream] = group.create_task(self._answer(stream, call))
        self._tasks[stream].add_done_callback(lambda _: self._forget(stream))

    async def _answer(self, stream: int, call: Call) -> None:
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        method = self._methods.get(call.metadata[":path"][0])
        if method is None:
            self._http.send_headers(stream, [*headers, ("grpc-status", UNIMPLEMENTED)], end_stream=True)
        else:
            self._http.send_headers(stream, headers)
            await method(call)
            self._http.send_headers(stream, [("grpc-status", OK)], end_stream=True)
        await self._flush()

    async def _send(self, stream: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            size = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size, len(left))
            if size > 0:
                self._http.send_data(stream, left[:size])
                left = left[size:]
                await self._flush()
            else:
                self._room.clear()
                await self._room.wait()

    async def _flush(self) -> None:
        self._writer.write(self._http.data_to_send())
        await self._writer.drain()

    def _forget(self, stream: int) -> None:
        del self._calls[stream], self._tasks[stream]


def _metadata(event: RequestReceived) -> dict[str, list[str]]:
    metadata: dict[str, list[str]] = {}
    for name, value in event.headers:
        metadata.setdefault(str(name), []).append(str(value))
    return metadata


async def _answer_health(call: Call) -> None:
    await call.receive()
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    await call.send(framed(serving.SerializeToString()))
