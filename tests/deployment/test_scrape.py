import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.deployment.scrape import fetch_openapi

GOOD = json.dumps({"openapi": "3.1.0", "paths": {}}).encode()
Writer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers))
    return f"{head}\r\n\r\n".encode() + body


@asynccontextmanager
async def app(write: Writer) -> AsyncIterator[str]:
    """An app that answers every request as `write` does; its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await write(writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


def says(data: bytes) -> Writer:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return write


async def test_a_document_is_fetched_and_named_by_its_digest() -> None:
    async with app(says(answer("200 OK", GOOD))) as address:
        document = await fetch_openapi(address, timeout=2, max_bytes=1000)

    assert document is not None
    assert document.content == GOOD
    assert document.digest.startswith("sha256:")


@pytest.mark.parametrize(
    "data",
    [
        answer("302 Found", b"", "location: http://169.254.169.254/latest/meta-data"),
        answer("404 Not Found", GOOD),
        answer("200 OK", b'{"openapi": "3.1.0", "x": "' + b"x" * 2000 + b'"}'),
        answer("200 OK", gzip.compress(GOOD), "content-encoding: gzip"),
        answer("200 OK", b"[" * 900),
        answer("200 OK", b'{"swagger": "2.0"}'),
        answer("200 OK", b"<html>"),
        b"not HTTP at all\r\n\r\n",
        b"",
    ],
    ids=["redirect", "missing", "too-large", "compressed", "deep", "other", "html", "garbage", "nothing"],
)
async def test_a_document_that_cannot_be_trusted_is_none(data: bytes) -> None:
    async with app(says(data)) as address:
        assert await fetch_openapi(address, timeout=2, max_bytes=1000) is None


async def test_an_app_that_drips_is_cut_off_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with app(drip) as address:
        began = time.monotonic()
        assert await fetch_openapi(address, timeout=0.3, max_bytes=1000) is None

    assert time.monotonic() - began < 2


async def test_an_app_that_is_gone_has_no_document(unused_tcp_port: int) -> None:
    assert await fetch_openapi(f"127.0.0.1:{unused_tcp_port}", timeout=1, max_bytes=1000) is None
