"""A little real HTTP server that says its name: plain answers, its own errors, event streams, websockets."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

EVENT_SECONDS = 0.02


class Backend:
    """One instance of a deployment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""

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
        request_line, *lines = head.decode().rstrip("\r\n").split("\r\n")
        target = urlsplit(request_line.split(" ")[1])
        match target.path:
            case "/socket":
                await self._echo(reader, writer)
            case "/events":
                await self._stream(writer)
            case "/broken":
                writer.write(_response("503 Service Unavailable", f"{self.name} is broken"))
            case "/request":
                writer.write(_response("200 OK", json.dumps([request_line, *(line.split(": ", 1) for line in lines)])))
            case "/headers":
                wanted = dict(parse_qsl(target.query))
                headers = "".join(f"x-{n}: {'v' * int(wanted['size'])}\r\n" for n in range(int(wanted["count"])))
                writer.write(_response("200 OK", self.name, headers))
            case "/nonsense":
                writer.write(b"220 this is not HTTP\r\n")
            case _:
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


def _response(status: str, body: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nserver: backend\r\n{headers}content-length: {len(body)}\r\n\r\n"
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

    # Requests with many headers are read as a whole.
    async with await asyncio.start_server(accept, "127.0.0.1", 0, limit=1024 * 1024) as server:
        host, port = server.sockets[0].getsockname()
        backend.address = f"{host}:{port}"
        yield backend
        ended = list(connections.values())
        for writer in list(connections):
            writer.close()
        for end in ended:
            await asyncio.wait_for(end.wait(), 5)
