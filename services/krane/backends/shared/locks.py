"""One lock per key: calls with the same key run one after the other, others do not wait."""

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """Locks by key. A lock that nobody holds or waits for is dropped."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """Return the lock of a key."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
