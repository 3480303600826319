"""Probes ports that the engine publishes.

The engine's proxy accepts a connection even if nothing listens behind it, and then closes it. So a connection counts
only if it stays open, and after a closed one the port is checked before the instance is said to answer badly.
"""

import asyncio

import httpx

from services.domain.readiness import Probe
from services.krane.backends.hosted.probe import Prober, connect

# How long a new connection has to stay open. The proxy closes a dead one within a millisecond.
OPEN_SECONDS = 0.05


class PublishedPortProber(Prober):
    """Distinguishes a port that nothing listens on from an instance that answers badly."""

    async def _get(self, address: str, path: str, protocol: str) -> Probe:
        try:
            return await super()._get(address, path, protocol)
        except httpx.TransportError:
            await self._connect(address)
            raise

    async def _connect(self, address: str) -> Probe:
        reader, writer = await connect(address)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                is_open = bool(await reader.read(1))
        except TimeoutError:
            is_open = True
        except ConnectionResetError:
            is_open = False
        finally:
            writer.close()
        if not is_open:
            raise ConnectionRefusedError
        return Probe(problem="")
