"""Fetch the OpenAPI document of an app that has just started, and is not trusted.

The request goes to the instance's address, follows no redirect, and has limits of time and size.
"""

import asyncio
from http import HTTPStatus

import httpx

from services.domain.openapi import OPENAPI_PATH, Document, NotKept, accept_openapi

MIB = 1024 * 1024


async def fetch_openapi(address: str, *, timeout: float, max_bytes: int) -> Document | NotKept:
    """Return the document served at `address` (host:port), or why it is not kept.

    `timeout` is in seconds and covers the whole exchange.
    """
    try:
        async with asyncio.timeout(timeout):
            content = await _fetch(f"http://{address}{OPENAPI_PATH}", max_bytes)
    except TimeoutError:
        return NotKept(reason=f"{OPENAPI_PATH} was not answered within {timeout:g} s")
    except (httpx.HTTPError, httpx.InvalidURL):
        return NotKept(reason=f"{OPENAPI_PATH} was not answered in HTTP")
    return content if isinstance(content, NotKept) else accept_openapi(content)


async def _fetch(url: str, max_bytes: int) -> bytes | NotKept:
    # Compressed answers are refused: a small body could unpack to any size.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        # Plain HTTP needs no certificates, and loading them takes longer than the request.
        httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=False) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code == HTTPStatus.NOT_FOUND:
            return NotKept(reason="")
        if response.status_code != HTTPStatus.OK:
            return NotKept(reason=f"{OPENAPI_PATH} was answered with status {response.status_code}")
        if "content-encoding" in response.headers:
            return NotKept(reason="it is compressed, which was not asked for")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > max_bytes:
                return NotKept(reason=f"it is larger than {max_bytes / MIB:g} MiB")
        return bytes(content)
