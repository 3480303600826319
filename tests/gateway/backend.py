"""A little real HTTP server that says its name: plain answers, its own errors, event streams, websockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

EVENT_SECONDS = 0.02


class Backend:
    """One instance of a deployment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        self.hosts: list[str] = []

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client hangs up."""
        try:
            while True:
                await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request_line, *headers = head.decode().split("\r\n")
        path = request_line.split(" ")[1]
        self.hosts += [line.split(": ", 1)[1] for line in headers if line.lower().startswith("host: ")]
        if path == "/socket":
            await self._echo(reader, writer)
        elif path == "/events":
            await self._stream(writer)
        elif path == "/broken":
            writer.write(_response("503 Service Unavailable", f"{self.name} is broken"))
        else:
            writer.write(_response("200 OK", self.name))
        await writer.drain()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await reader.read(1024):
            writer.write(self.name.encode() + b":" + data)
            await writer.drain()
        raise ConnectionResetError

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            event = f"data: {self.name}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
            await asyncio.sleep(EVENT_SECONDS)


def _response(status: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nserver: backend\r\ncontent-length: {len(body)}\r\n\r\n"
    return f"{head}{body}".encode()


@asynccontextmanager
async def running_backend(name: str) -> AsyncGenerator[Backend]:
    """A backend on a port of its own."""
    backend = Backend(name)
    connections: dict[asyncio.StreamWriter, asyncio.Event] = {}

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = asyncio.Event()
        await backend.serve_connection(reader, writer)
        connections.pop(writer).set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        backend.address = f"{host}:{port}"
        yield backend
        ended = list(connections.values())
        for writer in list(connections):
            writer.close()
        for end in ended:
            await asyncio.wait_for(end.wait(), 5)
