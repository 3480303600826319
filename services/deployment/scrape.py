"""Fetch the OpenAPI document of an app that has just started, and is not trusted.

The request goes to the instance's address, follows no redirect, and has limits of time and size.
"""

import asyncio

import httpx

from services.domain.openapi import OPENAPI_PATH, Document, accept_openapi


async def fetch_openapi(address: str, *, timeout: float, max_bytes: int) -> Document | None:
    """Return the document served at `address` (host:port); None if there is no acceptable one.

    `timeout` is in seconds and covers the whole exchange.
    """
    try:
        async with asyncio.timeout(timeout):
            content = await _fetch(f"http://{address}{OPENAPI_PATH}", max_bytes)
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
        return None
    return None if content is None else accept_openapi(content)


async def _fetch(url: str, max_bytes: int) -> bytes | None:
    # Compressed answers are refused: a small body could unpack to any size.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        # Plain HTTP needs no certificates, and loading them takes longer than the request.
        httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=False) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK.value or "content-encoding" in response.headers:
            return None
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > max_bytes:
                return None
        return bytes(content)
