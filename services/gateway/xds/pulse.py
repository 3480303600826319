"""A signal that wakes all tasks waiting at this moment, and is then forgotten."""

import asyncio


class Pulse:
    """Lets tasks wait for the next beat. Check the state first, and wait only if it is not the wanted one yet."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Wake all tasks that wait now."""
        self._event.set()
        self._event.clear()

    async def wait(self) -> None:
        """Return at the next beat."""
        await self._event.wait()
