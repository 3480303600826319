"""All deployments of a hosted backend.

Calls with the same id run one after the other. The next krane finishes what a killed one began: it deletes a deployment
whose record says deleted, and takes over or starts one that should run.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from typing import assert_never

from services.domain.errors import Conflict, NotFound
from services.domain.ids import check_id
from services.domain.variables import check_variables
from services.krane.backends.hosted.deployment import HostedDeployment, Wanted
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.operations import BackgroundOperations, until_done
from services.krane.checks import check_spec
from services.krane.types import (
    DeploymentSpec,
    DeploymentState,
    HostCredential,
    WorkloadStatus,
)
from services.telemetry import get_logger

log = get_logger(__name__)

SETTLE_SECONDS = 2.0


class HostedDeployments:
    """Implements `DeploymentBackend`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._locks = Locks()
        self._deployments: dict[str, HostedDeployment] = {}
        self._operations = BackgroundOperations()

    async def open(self) -> None:
        """Take over the deployments of an earlier krane."""
        for deployment in await self._driver.recorded():
            self._take_over(deployment)
        await self._settle()

    async def close(self) -> None:
        """Leave every instance running."""
        await self._operations.close()
        await asyncio.gather(*(deployment.release() for deployment in self._deployments.values()))
        await self._driver.close()

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None = None
    ) -> WorkloadStatus:
        check_spec(spec)
        check_variables(environment)
        return await self._operations.finish(self._create(spec, environment, credential))

    async def get(self, namespace: str, deployment_id: str, *, probe_now: bool = False) -> DeploymentState:
        deployment = self._find(namespace, deployment_id)
        return await deployment.probe() if probe_now else deployment.state

    async def list(self, namespace: str) -> list[DeploymentState]:
        states = [deployment.state for _, deployment in sorted(self._deployments.items())]
        return [state for state in states if namespace in ("", state.namespace)]

    def find(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        """Return the state of a deployment; None if there is none."""
        deployment = self._deployments.get(deployment_id)
        return deployment.state if deployment and deployment.spec.namespace == namespace else None

    def images(self) -> set[str]:
        """Return the images that deployments run, or can be started from."""
        return {deployment.spec.image for deployment in self._deployments.values()}

    def running(self) -> dict[str, DeploymentSpec]:
        """Return the deployments that are not stopped, by id."""
        found = self._deployments.items()
        return {id: one.spec for id, one in found if one.state.status is not WorkloadStatus.STOPPED}

    async def stop(self, namespace: str, deployment_id: str) -> None:
        await self._operations.finish(self._stop(namespace, deployment_id))

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        await self._operations.finish(self._start(namespace, deployment_id, credential))

    async def delete(self, namespace: str, deployment_id: str) -> None:
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        await self._operations.finish(self._delete(namespace, deployment_id))

    async def _create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> WorkloadStatus:
        async with self._locks.of(spec.deployment_id):
            known = self._deployments.get(spec.deployment_id)
            if known is None:
                known = await self._begin(spec, environment, credential)
            elif known.spec != spec:
                raise Conflict(f"deployment {spec.deployment_id} exists and runs something else: use another id")
            return known.state.status

    async def _begin(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> HostedDeployment:
        deployment = await self._driver.plan(spec, environment, credential)
        await deployment.start()
        self._deployments[spec.deployment_id] = deployment
        log.info("deployment created", deployment_id=spec.deployment_id, replicas=spec.run.replicas)
        return deployment

    async def _stop(self, namespace: str, deployment_id: str) -> None:
        async with self._locks.of(deployment_id):
            await self._find(namespace, deployment_id).stop()
            log.info("deployment stopped", deployment_id=deployment_id)

    async def _start(self, namespace: str, deployment_id: str, credential: HostCredential | None) -> None:
        async with self._locks.of(deployment_id):
            deployment = self._find(namespace, deployment_id)
            await deployment.provide(credential)
            await deployment.start()
            log.info("deployment started", deployment_id=deployment_id)

    async def _delete(self, namespace: str, deployment_id: str) -> None:
        async with self._locks.of(deployment_id):
            known = self._deployments.get(deployment_id)
            if known is None:
                await self._driver.sweep(namespace, deployment_id)
            elif known.spec.namespace == namespace:
                await known.delete()
                del self._deployments[deployment_id]
                log.info("deployment deleted", deployment_id=deployment_id)

    def _take_over(self, deployment: HostedDeployment) -> None:
        spec = deployment.spec
        self._deployments[spec.deployment_id] = deployment
        match deployment.wanted:
            case Wanted.RUNNING:
                deployment.adopt()
            case Wanted.STOPPED:
                self._operations.spawn(until_done(partial(self._stop, spec.namespace, spec.deployment_id)))
            case Wanted.DELETED:
                self._operations.spawn(until_done(partial(self._delete, spec.namespace, spec.deployment_id)))
            case _:
                assert_never(deployment.wanted)

    async def _settle(self) -> None:
        """Probe the adopted instances before anybody asks for their state: most of them were healthy all along."""
        adopted = [one.settle() for one in self._deployments.values() if one.wanted is Wanted.RUNNING]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await asyncio.gather(*adopted)

    def _find(self, namespace: str, deployment_id: str) -> HostedDeployment:
        check_id("namespace", namespace)
        deployment = self._deployments.get(check_id("deployment_id", deployment_id))
        if deployment is None or deployment.spec.namespace != namespace:
            raise NotFound(f"there is no deployment {deployment_id} in {namespace}: create it first")
        return deployment
