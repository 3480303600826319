"""Asks an instance from outside whether it is healthy."""

import asyncio

import httpx

from services.config import LOOPBACK


class Prober:
    """Probes ports of this machine. An answer is one sentence on what is wrong, empty when the instance is healthy."""

    def __init__(self) -> None:
        # No proxy and no redirect: an instance is asked itself, and nothing it says leads elsewhere. No kept
        # connection: it would occupy a server that takes one at a time.
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "interlock-krane", "Connection": "close"},
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def probe(self, port: int, path: str, timeout_ms: int) -> str:
        """Ask once, by GET when there is a path, else by connecting."""
        what = f"GET {path}" if path else f"a connection to port {port}"
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await (self._get(port, path) if path else self._connect(port))
        except (TimeoutError, httpx.TimeoutException):
            return f"{what} was not answered within {timeout_ms} ms"
        except (ConnectionRefusedError, httpx.ConnectError):
            return f"nothing listens on port {port}"
        except (OSError, httpx.HTTPError, httpx.InvalidURL):
            return f"{what} was answered with something that is not HTTP"

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def _get(self, port: int, path: str) -> str:
        # Streamed and left: the head is all that is read, whatever the size of the body.
        async with self._client.stream("GET", f"http://{LOOPBACK}:{port}{path}", timeout=None) as response:
            if response.is_success:
                return ""
            if response.is_redirect:
                return f"GET {path} answered {response.status_code}: a health check is answered 2xx, not by a redirect"
            return f"GET {path} answered {response.status_code}"

    async def _connect(self, port: int) -> str:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
        return ""
