"""Probes the health of an instance over the network."""

import asyncio
import contextlib
import time
from dataclasses import replace

import httpx

from services.domain.readiness import Probe
from services.domain.settings import H2C, HTTP1

# For an answer that is not 2xx: how much of its body is read, how long krane waits for it, and how much is shown.
BODY_BYTES = 1024
BODY_SECONDS = 0.2
BODY_CHARACTERS = 200
NOTHING_LISTENS = "nothing listens on port"


class Prober:
    """Probes instances at their address, host:port."""

    def __init__(self) -> None:
        # No proxies or redirects: the probe must reach the instance itself. No keep-alive: an open connection would
        # block a server that handles one at a time. No certificates: probes use plain HTTP.
        self._clients = {HTTP1: _client({"Connection": "close"}), H2C: _client({}, http1=False, http2=True)}

    async def probe(self, address: str, path: str, timeout_ms: int, protocol: str = HTTP1) -> Probe:
        """Probe once: with GET if there is a path, else by connecting."""
        began = time.monotonic()
        found = await self._ask(address, path, timeout_ms, protocol)
        return replace(found, latency_ms=int((time.monotonic() - began) * 1000))

    async def close(self) -> None:
        """Close all clients."""
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
            return Probe(problem=f"{NOTHING_LISTENS} {port}")
        except (OSError, httpx.HTTPError, httpx.InvalidURL):
            return Probe(problem=f"{what} was answered with something that is not HTTP")

    async def _get(self, address: str, path: str, protocol: str) -> Probe:
        # Streamed and then dropped: for a 2xx answer only the head is read, whatever the size of the body.
        async with self._clients[protocol].stream("GET", f"http://{address}{path}", timeout=None) as response:
            problem = _problem(path, response)
            body = await _beginning(response) if problem else ""
            return Probe(problem=problem, status_code=response.status_code, body=body)

    async def _connect(self, address: str) -> Probe:
        _, writer = await connect(address)
        writer.close()
        return Probe(problem="")


def is_refused(probe: Probe) -> bool:
    """Return whether nothing accepted a probe."""
    return probe.problem.startswith(NOTHING_LISTENS)


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
        return f"GET {path} answered {response.status_code}: a health check must answer 2xx, not redirect"
    return f"GET {path} answered {response.status_code}"


async def _beginning(response: httpx.Response) -> str:
    body = b""
    # The status is reported even if the body cannot be read.
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_bytes():
                body += chunk[:BODY_BYTES]
                if len(body) >= BODY_BYTES:
                    break
    text = body.decode(errors="replace")[:BODY_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in text)
