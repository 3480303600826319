"""Builds the lost image of a deployment again and starts the deployment from it.

An image is lost if somebody pruned it, or after a restore. A build takes longer than a pass of the reconciler, so it
goes on in the background; if the endpoint ends meanwhile, the next one begins again.
"""

import asyncio
import time
import uuid

from services.db import deployments
from services.db.deployments import Metadata
from services.db.engine import Database
from services.deployment.effects import Effects
from services.domain.errors import InterlockError
from services.domain.status import DeploymentStatus
from services.krane.client import KraneClient
from services.krane.types import BuildState, BuildStatus, running_instances
from services.telemetry import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 1.0
# After a failed build; its source does not change.
RETRY_SECONDS = 600.0


class Rebuilds:
    """The builds of lost images, at most one for each deployment."""

    def __init__(self, database: Database, krane: KraneClient, effects: Effects) -> None:
        self._database = database
        self._krane = krane
        self._effects = effects
        self._running: dict[str, asyncio.Task[None]] = {}
        # By deployment: time.monotonic() before which it is not tried again.
        self._retry_at: dict[str, float] = {}

    def begin(self, metadata: Metadata) -> bool:
        """Build again in the background; returns False if there is no source, or if it failed a short time ago."""
        deployment_id = metadata.deployment_id
        if deployment_id in self._running:
            return True
        if not (metadata.source or metadata.git) or time.monotonic() < self._retry_at.get(deployment_id, 0.0):
            return False
        task = asyncio.create_task(self._run(metadata), name=f"build {deployment_id} again")
        self._running[deployment_id] = task
        task.add_done_callback(lambda _: self._running.pop(deployment_id))
        return True

    async def close(self) -> None:
        """Stop waiting for builds; krane finishes them."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, metadata: Metadata) -> None:
        try:
            state = await self._build(metadata)
            if state is None or state.status is not BuildStatus.SUCCEEDED:
                raise _Failed(state.error if state else "krane does not know the build")
            await self._use(metadata, state.image)
        except (InterlockError, _Failed) as error:
            self._retry_at[metadata.deployment_id] = time.monotonic() + RETRY_SECONDS
            log.warning("image could not be built again", deployment_id=metadata.deployment_id, reason=str(error))
        else:
            log.info("image was built again", deployment_id=metadata.deployment_id, image=state.image)

    async def _build(self, metadata: Metadata) -> BuildState | None:
        # Another build than the first one, whose result krane remembers.
        build_id = f"{metadata.deployment_id}-{uuid.uuid4().hex[:8]}"
        await self._effects.build.start_again(metadata, build_id)
        while True:
            state = await self._effects.build.observe(metadata.workspace_id, build_id)
            if state is None or state.status is not BuildStatus.RUNNING:
                return state
            await asyncio.sleep(LOOK_SECONDS)

    async def _use(self, metadata: Metadata, image: str) -> None:
        """Start the deployment from the new image, which may have another name than the lost one."""
        namespace, deployment_id = metadata.workspace_id, metadata.deployment_id
        instances = running_instances(await self._krane.get(namespace, deployment_id))
        async with self._database.read() as session:
            now = await deployments.fetch_metadata(session, metadata.project_id, deployment_id)
        is_wanted = now.status is DeploymentStatus.READY and now.image == metadata.image
        if not is_wanted or any(one.healthy for one in instances or ()):
            return
        if image != metadata.image:
            # Another image is another deployment for krane. If this is interrupted, the image is found by its source.
            await self._effects.instances.delete(namespace, deployment_id)
            async with self._database.write() as session:
                await deployments.replace_image(session, deployment_id, metadata.image or "", image)
        await self._effects.instances.create(metadata, image)
        await self._effects.instances.start(namespace, deployment_id, image)


class _Failed(Exception):
    """A build that did not make an image."""
