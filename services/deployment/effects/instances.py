"""Effects on the instances of a deployment, in krane and in their records."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from services.config import DeploySettings
from services.db import deployments, instances, steps
from services.db.engine import Database
from services.deployment.scrape import fetch_openapi
from services.deployment.secrets import Secrets
from services.domain.contracts import ApiChange, compare_documents
from services.domain.errors import NotFound, Unavailable
from services.domain.openapi import Document, NotKept, check_breaking, check_still_kept
from services.domain.readiness import InstanceState
from services.domain.settings import REFUSE
from services.krane.client import KraneClient
from services.krane.types import DeploymentSpec, DeploymentState, last_probe, without_probes

# Time to read the last probe before instances are removed.
LAST_LOOK_SECONDS = 2.0
# Name of the step, to which a note is added.
SCRAPE_OPENAPI = "scrape OpenAPI"


class InstanceEffects:
    """The instances of a deployment."""

    def __init__(self, database: Database, krane: KraneClient, secrets: Secrets, settings: DeploySettings) -> None:
        self._database = database
        self._krane = krane
        self._secrets = secrets
        self._settings = settings

    async def create(self, metadata: deployments.Metadata, image: str) -> None:
        """Start the instances, with the captured environment of the deployment."""
        environment = await self._secrets.environment(metadata.deployment_id)
        credential = await self._secrets.credential(metadata.workspace_id, image)
        await self._krane.create(
            DeploymentSpec(
                namespace=metadata.workspace_id,
                deployment_id=metadata.deployment_id,
                image=image,
                run=metadata.run,
                volume_scope=metadata.volume_scope,
            ),
            environment,
            credential,
        )

    async def start(self, workspace_id: str, deployment_id: str, image: str) -> None:
        """Start stopped and failed instances; pulls the image if krane has lost it."""
        credential = await self._secrets.credential(workspace_id, image)
        await self._krane.start(workspace_id, deployment_id, credential)

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """Stop the instances so that they can be started again; succeeds if krane does not know the deployment."""
        with suppress(NotFound):
            await self._krane.stop(namespace, deployment_id)

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """Delete the deployment from krane, after storing its last probe in the row."""
        # The probe only explains a failure: without it the undo continues.
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                state = await self._krane.get(namespace, deployment_id)
            found = last_probe(state.instances) if state else None
            if found is not None:
                async with self._database.write() as session:
                    await deployments.record_probe(session, deployment_id, found)
        await self._krane.delete(namespace, deployment_id)

    async def observe(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        """Return krane's state of a deployment; None if krane does not know it."""
        return without_probes(await self._krane.get(namespace, deployment_id))

    async def probe(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        """Probe the instances of a deployment now and return its state; None if krane does not know it."""
        return without_probes(await self._krane.get(namespace, deployment_id, probe_now=True))

    async def record(self, deployment_id: str, states: Sequence[InstanceState]) -> None:
        """Store krane's view of the instances."""
        async with self._database.write() as session:
            await instances.upsert_instances(session, deployment_id, states)

    async def forget(self, deployment_id: str) -> None:
        """Delete the records of the instances."""
        async with self._database.write() as session:
            await instances.delete_instances(session, deployment_id)

    async def scrape_openapi(self, operation_id: str, metadata: deployments.Metadata, address: str) -> None:
        """Fetch and store the app's OpenAPI document; the step's note says why one is not kept.

        Raises PreconditionFailed if it breaks callers of the live deployment, and the settings refuse that.
        """
        deployment_id = metadata.deployment_id
        found = await fetch_openapi(
            address, timeout=self._settings.openapi_timeout_seconds, max_bytes=self._settings.openapi_max_bytes
        )
        if metadata.run.openapi_breaking == REFUSE:
            await self._compare_with_live(metadata, found)
        async with self._database.write() as session:
            if isinstance(found, Document):
                await deployments.store_openapi(session, deployment_id, found)
            elif found.reason:
                note = f"the document is not kept: {found.reason}"
                await steps.note_step(session, operation_id=operation_id, name=SCRAPE_OPENAPI, note=note)

    async def _compare_with_live(self, metadata: deployments.Metadata, found: Document | NotKept) -> None:
        async with self._database.read() as session:
            live = await deployments.find_live_openapi(session, metadata.project_id)
        if live is None:
            return
        live_id, content = live
        document = check_still_kept(found, live_id)

        def compare() -> list[ApiChange]:
            return compare_documents(json.loads(content), json.loads(document.content))

        # Large documents take a moment.
        check_breaking(await asyncio.to_thread(compare), live_id)
