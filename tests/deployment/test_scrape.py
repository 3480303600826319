import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.deployment.scrape import fetch_openapi
from services.domain.openapi import Document, NotKept

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

    assert isinstance(document, Document)
    assert document.content == GOOD
    assert document.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (answer("302 Found", b"", "location: http://169.254.169.254/latest/meta-data"), "with status 302"),
        (answer("500 Internal Server Error", GOOD), "with status 500"),
        (answer("404 Not Found", GOOD), ""),
        (answer("200 OK", b'{"openapi": "3.1.0", "x": "' + b"x" * 1_100_000 + b'"}'), "it is larger than 1 MiB"),
        (answer("200 OK", gzip.compress(GOOD), "content-encoding: gzip"), "it is compressed"),
        (answer("200 OK", b"[" * 900), "it is not JSON"),
        (answer("200 OK", b'{"swagger": "2.0"}'), "it is not an OpenAPI 3 document"),
        (answer("200 OK", b"<html>"), "it is not JSON"),
        (b"not HTTP at all\r\n\r\n", "was not answered in HTTP"),
        (b"", "was not answered in HTTP"),
    ],
    ids=["redirect", "broken", "missing", "too-large", "compressed", "deep", "other", "html", "garbage", "nothing"],
)
async def test_a_document_that_cannot_be_trusted_is_not_kept_and_the_reason_is_told(data: bytes, reason: str) -> None:
    async with app(says(data)) as address:
        found = await fetch_openapi(address, timeout=2, max_bytes=1024 * 1024)

    assert isinstance(found, NotKept)
    assert (reason in found.reason, bool(found.reason)) == (True, bool(reason)), found


async def test_an_app_that_drips_is_cut_off_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with app(drip) as address:
        began = time.monotonic()
        found = await fetch_openapi(address, timeout=0.3, max_bytes=1000)
    assert found == NotKept(reason="/openapi.json was not answered within 0.3 s")

    assert time.monotonic() - began < 2


async def test_an_app_that_is_gone_has_no_document(unused_tcp_port: int) -> None:
    assert isinstance(await fetch_openapi(f"127.0.0.1:{unused_tcp_port}", timeout=1, max_bytes=1000), NotKept)
