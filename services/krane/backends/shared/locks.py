"""One lock per id, so that calls on the same thing follow one another and others do not wait."""

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """Locks by key; one that nobody holds or waits for is forgotten."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The one lock of a key."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
