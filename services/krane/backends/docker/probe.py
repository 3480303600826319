"""Probes containers through the ports that the engine publishes, as gateways reach them.

The engine's proxy accepts a connection before it knows whether anything listens behind it, and closes a dead one at an
unknown time. So an accepted connection proves nothing: the container's own address must accept one too. An HTTP answer
is proof by itself.
"""

import httpx

from services.domain.readiness import Probe
from services.krane.backends.hosted.probe import Prober


class PublishedPortProber(Prober):
    """Distinguishes a port that nothing listens on from an instance that answers badly."""

    def __init__(self) -> None:
        super().__init__()
        self._own_addresses: dict[str, str] = {}

    def note(self, address: str, own_address: str) -> None:
        """Note which container is published at an address, by its own host:port; empty if it has none."""
        self._own_addresses[address] = own_address

    def forget(self, address: str) -> None:
        """Forget a published address; succeeds if it is not known."""
        self._own_addresses.pop(address, None)

    async def _get(self, address: str, path: str, protocol: str) -> Probe:
        try:
            return await super()._get(address, path, protocol)
        except httpx.TransportError:
            await self._connect(address)
            raise

    async def _connect(self, address: str) -> Probe:
        own_address = self._own_addresses.get(address)
        if not own_address:
            raise ConnectionRefusedError
        await super()._connect(own_address)
        return await super()._connect(address)
