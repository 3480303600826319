"""Publish route tables: to Envoy through the resource cache, and to disk."""

import asyncio
from pathlib import Path

from services.config import GatewaySettings
from services.domain.routes import RouteTable
from services.gateway.ingress import listener
from services.gateway.resources import changed_resources, removed_resources
from services.gateway.snapshot import EMPTY, Snapshot, difference, take_snapshot
from services.gateway.store import SnapshotStore
from services.gateway.xds.cache import ResourceCache


class Publisher:
    """Owns the published route table: in the cache for Envoy, on disk for the next start. Its revision only grows."""

    def __init__(self, cache: ResourceCache, store: SnapshotStore, gateway: GatewaySettings, access_log: Path) -> None:
        self.table: RouteTable | None = None
        self.published = asyncio.Event()
        self._cache = cache
        self._store = store
        self._gateway = gateway
        self._snapshot = EMPTY
        cache.commit(cache.revision, [listener(gateway, access_log)])

    async def restore(self) -> None:
        """Publish the saved table, if there is one."""
        saved = await asyncio.to_thread(self._store.load)
        if saved is not None:
            self._commit(saved, take_snapshot(saved))

    async def publish(self, table: RouteTable) -> None:
        """Publish a table; ignores one that is not newer. Raises Invalid, and changes nothing, for a bad table."""
        if self.table is not None and table.revision <= self.table.revision:
            return
        snapshot = take_snapshot(table)
        # Save first: the next agent must never restore a table older than the one that Envoy has.
        await asyncio.to_thread(self._store.save, table)
        self._commit(table, snapshot)

    def _commit(self, table: RouteTable, snapshot: Snapshot) -> None:
        change = difference(self._snapshot, snapshot)
        self._cache.commit(table.revision, changed_resources(change, self._gateway), removed_resources(change))
        self._snapshot = snapshot
        self.table = table
        self.published.set()
