"""Reads the database over and over, each time in one transaction, and records what it saw."""

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from tests.faults.chaos.history import (
    Clock,
    DeploymentRow,
    HostnameRow,
    Ledger,
    Moved,
    ProjectRow,
    Snapshot,
)

EVERY_SECONDS: Final = 0.1

_REVISIONS: Final = """
select (select revision from routing_revision) as revision,
       (select coalesce(min(acknowledged_revision), 0) from gateways) as acknowledged
"""
_HOSTNAMES: Final = """
select d.hostname, d.project_id, d.sticky, e.is_production, d.deployment_id, g.deployment_id as config_deployment_id
from domains d join environments e on e.id = d.environment_id left join gateway_configs g on g.hostname = d.hostname
"""
_DEPLOYMENTS: Final = """
select d.id, d.project_id, e.is_production, d.generation, d.status, json_extract(d.run, '$.replicas') as replicas,
       coalesce(d.idempotency_key, '') as idempotency_key
from deployments d join environments e on e.id = d.environment_id order by d.project_id, d.generation
"""
_LEDGER: Final = """
select id, project_id, kind, live_before, live_after, rolled_back_before, revision from routing_operations
order by revision, created_at_ms
"""
_MOVED: Final = "select operation_id, hostname, sticky, deployment_before, deployment_after from routing_changes"


class Sampler:
    """Call `run()` beside everything else. Operators and probers choose targets from its last read."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._connection = sqlite3.connect(
            f"file:{file}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._clock = clock
        # One read at a time: snapshots stay in order, and the connection has one transaction.
        self._looking = asyncio.Lock()
        self.snapshots: list[Snapshot] = []
        self.deployments: dict[str, DeploymentRow] = {}
        # Deployment by hostname, for hostnames that never move.
        self.commit_hostnames: dict[str, str] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Read once."""
        async with self._looking:
            await self._look()

    async def ledger(self) -> tuple[Ledger, ...]:
        """Return all routing operations in order."""
        async with self._looking:
            operations, changes = await self._read(_LEDGER, _MOVED)
        moved: dict[str, list[Moved]] = {}
        for row in changes:
            change = Moved(
                hostname=row["hostname"],
                sticky=row["sticky"],
                before=row["deployment_before"],
                after=row["deployment_after"],
            )
            moved.setdefault(row["operation_id"], []).append(change)
        return tuple(
            Ledger(
                project_id=row["project_id"],
                kind=row["kind"],
                live_before=row["live_before"],
                live_after=row["live_after"],
                was_rolled_back=bool(row["rolled_back_before"]),
                revision=row["revision"],
                moved=tuple(moved.get(row["id"], [])),
            )
            for row in operations
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def _look(self) -> None:
        begin = self._clock.now()
        revisions, projects, hostnames, deployments = await self._read(
            _REVISIONS, "select id, live_deployment_id, is_rolled_back from projects", _HOSTNAMES, _DEPLOYMENTS
        )
        span = self._clock.since(begin)
        rows = {row["id"]: _deployment(row) for row in deployments}
        self.commit_hostnames = {h["hostname"]: h["deployment_id"] for h in hostnames if h["sticky"] == Sticky.COMMIT}
        seen = Snapshot(
            first=span,
            last=span,
            revision=revisions[0]["revision"],
            acknowledged=revisions[0]["acknowledged"],
            projects={
                p["id"]: ProjectRow(live=p["live_deployment_id"], is_rolled_back=bool(p["is_rolled_back"]))
                for p in projects
            },
            hostnames={h["hostname"]: _hostname(h) for h in hostnames if h["sticky"] != Sticky.COMMIT},
            statuses=_changed(self.deployments, rows),
        )
        self.deployments = rows
        self._keep(seen)

    def _keep(self, seen: Snapshot) -> None:
        if self.snapshots and _same(self.snapshots[-1], seen):
            self.snapshots[-1] = replace(self.snapshots[-1], last=seen.last)
        else:
            self.snapshots.append(seen)

    async def _read(self, *queries: str) -> list[list[Any]]:
        return await asyncio.to_thread(self._read_at_once, queries)

    def _read_at_once(self, queries: tuple[str, ...]) -> list[list[Any]]:
        self._connection.execute("begin")
        try:
            return [self._connection.execute(query).fetchall() for query in queries]
        finally:
            self._connection.execute("commit")


def _changed(before: Mapping[str, DeploymentRow], after: Mapping[str, DeploymentRow]) -> dict[str, DeploymentStatus]:
    return {id: row.status for id, row in after.items() if id not in before or before[id].status != row.status}


def _same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots differ only in time. The later one then has no changed statuses."""
    return not other.statuses and replace(other, first=one.first, last=one.last, statuses=one.statuses) == one


def _deployment(row: Any) -> DeploymentRow:
    return DeploymentRow(
        **{**dict(row), "is_production": bool(row["is_production"]), "status": DeploymentStatus(row["status"])}
    )


def _hostname(row: Any) -> HostnameRow:
    return HostnameRow(
        project_id=row["project_id"],
        sticky=row["sticky"],
        is_production=bool(row["is_production"]),
        deployment_id=row["deployment_id"],
        config_deployment_id=row["config_deployment_id"],
    )
