"""Fetching the OpenAPI document of an app that we have just started, and trust no further than that.

The request goes to the instance's own address, follows no redirect, and is bounded in time and size.
"""

import asyncio

import httpx

from services.domain.openapi import OPENAPI_PATH, Document, accept_openapi


async def fetch_openapi(address: str, *, timeout: float, max_bytes: int) -> Document | None:
    """The document served by `address` (host:port), None when there is none worth keeping.

    `timeout` is in seconds and covers the whole exchange, however slowly the bytes come.
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
        # No certificates, which plain HTTP does not need: loading them takes longer than the answer.
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
