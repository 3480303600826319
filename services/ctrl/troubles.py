"""Looks at the instances of live deployments, for the attention list and the status of a project."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from services.db.tables import Project
from services.domain.errors import InterlockError
from services.domain.trouble import Trouble, find_trouble
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from services.krane.types import running_instances

# Maximum time to wait for krane's reports, and for the lines of one log.
REPORT_SECONDS = 1.0
LOG_LINES = 3


class LiveTroubles:
    """Asks krane about live deployments."""

    def __init__(self, krane: KraneClient) -> None:
        self._krane = krane

    async def find(self, projects: Iterable[Project]) -> list[pb.Attention]:
        """Return what is wrong with the live deployments of projects; empty if krane does not answer.

        The next command is left to the caller.
        """
        found = [await self._of_workspace(*group) for group in _live(projects).items()]
        return [item for items in found for item in items]

    async def _of_workspace(self, namespace: str, live: Mapping[str, str]) -> list[pb.Attention]:
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                states = {state.deployment_id: state for state in await self._krane.list(namespace)}
        except (InterlockError, TimeoutError):
            return []
        now_ms = time.time_ns() // 1_000_000
        found = {one: find_trouble(running_instances(states.get(one)), now_ms) for one in live}
        return [
            await self._item(namespace, deployment_id, live[deployment_id], trouble)
            for deployment_id, trouble in found.items()
            if trouble is not None
        ]

    async def _item(self, namespace: str, deployment_id: str, project: str, trouble: Trouble) -> pb.Attention:
        return pb.Attention(
            what=f"live deployment {deployment_id} {trouble.what}",
            why=trouble.why,
            since_ms=trouble.since_ms or time.time_ns() // 1_000_000,
            project=project,
            deployment_id=deployment_id,
            log_lines=await self._last_lines(namespace, deployment_id, trouble.instance_id),
        )

    async def _last_lines(self, namespace: str, deployment_id: str, instance_id: str) -> list[str]:
        if not instance_id:
            return []
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                lines = await self._krane.logs(namespace, deployment_id, tail_lines=LOG_LINES)
        except (InterlockError, TimeoutError):
            return []
        return [line.text for line in lines if line.instance_id == instance_id]


def _live(projects: Iterable[Project]) -> dict[str, dict[str, str]]:
    """Return the slugs of projects by live deployment, for each workspace."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for project in projects:
        if project.live_deployment_id is not None:
            found[project.workspace_id][project.live_deployment_id] = project.slug
    return found
