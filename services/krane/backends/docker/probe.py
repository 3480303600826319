"""Probes ports that the engine publishes.

Its proxy takes a connection whether or not something listens behind it, and closes it when nothing does. A connection
counts once it stays open, and a closed one is looked at again before an instance is said to talk nonsense.
"""

import asyncio

import httpx

from services.domain.readiness import Probe
from services.krane.backends.hosted.probe import Prober, connect

# How long a fresh connection must stay open. The proxy finds out within a millisecond.
OPEN_SECONDS = 0.05


class PublishedPortProber(Prober):
    """Tells a port that nothing listens behind from an instance that answers badly."""

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
