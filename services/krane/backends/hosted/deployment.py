"""One deployment: the wanted state, which its backend stores, and its instances."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from services.domain.readiness import InstanceStatus
from services.krane.backends.hosted.instance import HostedInstance
from services.krane.types import DeploymentSpec, DeploymentState, HostCredential, WorkloadStatus


class Wanted(StrEnum):
    """What the caller asked for last."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class DeploymentStore(Protocol):
    """Keeps one deployment across restarts of krane."""

    async def want(self, wanted: Wanted) -> None:
        """Store the wanted state atomically. Raises Unavailable if it cannot be stored now."""
        ...

    async def provide(self, credential: HostCredential | None) -> None:
        """Make sure that instances can be created again. Raises PreconditionFailed if their image cannot be had."""
        ...

    async def forget(self) -> None:
        """Remove everything of the deployment except its logs."""
        ...


class HostedDeployment:
    """Brings all instances to the wanted state. That state is stored before it is acted on."""

    def __init__(
        self, spec: DeploymentSpec, wanted: Wanted, store: DeploymentStore, instances: Sequence[HostedInstance]
    ) -> None:
        self.spec = spec
        self.wanted = wanted
        self._store = store
        self._instances = instances

    @property
    def state(self) -> DeploymentState:
        """The state as last observed."""
        return DeploymentState(
            namespace=self.spec.namespace,
            deployment_id=self.spec.deployment_id,
            image=self.spec.image,
            replicas=self.spec.run.replicas,
            status=self._status,
            instances=tuple(instance.report for instance in self._instances),
        )

    async def probe(self) -> DeploymentState:
        """Probe every running instance now, and return the state."""
        reports = await asyncio.gather(*(instance.probe() for instance in self._instances))
        return replace(self.state, instances=tuple(reports))

    @property
    def _status(self) -> WorkloadStatus:
        statuses = {instance.report.status for instance in self._instances}
        if self.wanted is Wanted.DELETED:
            return WorkloadStatus.TERMINATING
        if self.wanted is Wanted.STOPPED:
            is_stopped = statuses <= {InstanceStatus.STOPPED}
            return WorkloadStatus.STOPPED if is_stopped else WorkloadStatus.TERMINATING
        return WorkloadStatus.RUNNING if statuses == {InstanceStatus.RUNNING} else WorkloadStatus.PENDING

    def adopt(self) -> None:
        """Take over the instances that an earlier krane left running."""
        for instance in self._instances:
            instance.adopt()

    async def settle(self) -> None:
        """Wait until the state of each adopted instance is known."""
        await asyncio.gather(*(instance.settle() for instance in self._instances))

    async def provide(self, credential: HostCredential | None) -> None:
        """Make sure that the image is there before instances are started again."""
        await self._store.provide(credential)

    async def start(self) -> None:
        """Keep every instance running. An instance that failed gets a new try."""
        await self._want(Wanted.RUNNING)
        await asyncio.gather(*(instance.start() for instance in self._instances))

    async def stop(self) -> None:
        """End every instance; returns when none runs."""
        await self._end(Wanted.STOPPED)

    async def delete(self) -> None:
        """End every instance and remove everything of the deployment except its logs."""
        await self._end(Wanted.DELETED)
        await self._store.forget()

    async def release(self) -> None:
        """Stop supervising the instances, and leave them running."""
        await asyncio.gather(*(instance.release() for instance in self._instances))

    async def _end(self, wanted: Wanted) -> None:
        await self._want(wanted)
        await asyncio.gather(*(instance.stop() for instance in self._instances))

    async def _want(self, wanted: Wanted) -> None:
        await self._store.want(wanted)
        self.wanted = wanted
