"""A signal without memory: wakes everyone who waits at this moment."""

import asyncio


class Pulse:
    """Wait for the next beat. The caller looks at the state first and waits only if it is not what he waits for."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Wake all who wait now."""
        self._event.set()
        self._event.clear()

    async def wait(self) -> None:
        """Return at the next beat."""
        await self._event.wait()
