"""Asks an instance from outside whether it is healthy."""

import asyncio
import contextlib
import time
from dataclasses import replace

import httpx

from services.domain.readiness import Probe
from services.domain.settings import H2C, HTTP1

# Of an answer that is not 2xx: what is read and how long it is waited for, and what is shown of it.
BODY_BYTES = 1024
BODY_SECONDS = 0.2
BODY_CHARACTERS = 200


class Prober:
    """Probes addresses, host:port."""

    def __init__(self) -> None:
        # No proxy and no redirect: an instance is asked itself, and nothing it says leads elsewhere. No kept
        # connection: it would occupy a server that takes one at a time. No certificates: it is all plain HTTP.
        self._clients = {HTTP1: _client({"Connection": "close"}), H2C: _client({}, http1=False, http2=True)}

    async def probe(self, address: str, path: str, timeout_ms: int, protocol: str = HTTP1) -> Probe:
        """Ask once, by GET when there is a path, else by connecting."""
        began = time.monotonic()
        found = await self._ask(address, path, timeout_ms, protocol)
        return replace(found, latency_ms=int((time.monotonic() - began) * 1000))

    async def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            await client.aclose()

    async def _ask(self, address: str, path: str, timeout_ms: int, protocol: str) -> Probe:
        port = address.rpartition(":")[2]
        what = f"GET {path}" if path else f"a connection to port {port}"
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await (self._get(address, path, protocol) if path else self._connect(address))
        except (TimeoutError, httpx.TimeoutException):
            return Probe(problem=f"{what} was not answered within {timeout_ms} ms")
        except (ConnectionRefusedError, httpx.ConnectError):
            return Probe(problem=f"nothing listens on port {port}")
        except (OSError, httpx.HTTPError, httpx.InvalidURL):
            return Probe(problem=f"{what} was answered with something that is not HTTP")

    async def _get(self, address: str, path: str, protocol: str) -> Probe:
        # Streamed and left: of an answer that is 2xx the head is all that is read, whatever the size of the body.
        async with self._clients[protocol].stream("GET", f"http://{address}{path}", timeout=None) as response:
            problem = _problem(path, response)
            body = await _beginning(response) if problem else ""
            return Probe(problem=problem, status_code=response.status_code, body=body)

    async def _connect(self, address: str) -> Probe:
        _, writer = await connect(address)
        writer.close()
        return Probe(problem="")


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to host:port."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


def _client(headers: dict[str, str], *, http1: bool = True, http2: bool = False) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        trust_env=False,
        verify=False,
        follow_redirects=False,
        headers={"User-Agent": "interlock-krane", **headers},
        limits=httpx.Limits(max_keepalive_connections=0),
        http1=http1,
        http2=http2,
    )


def _problem(path: str, response: httpx.Response) -> str:
    if response.is_success:
        return ""
    if response.is_redirect:
        return f"GET {path} answered {response.status_code}: a health check is answered 2xx, not by a redirect"
    return f"GET {path} answered {response.status_code}"


async def _beginning(response: httpx.Response) -> str:
    body = b""
    # A body that does not come, or is no body, does not hide the status.
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_bytes():
                body += chunk[:BODY_BYTES]
                if len(body) >= BODY_BYTES:
                    break
    text = body.decode(errors="replace")[:BODY_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in text)
