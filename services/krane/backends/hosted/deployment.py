"""One deployment: what is wanted of it, written down by its backend, and the instances that follow."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from services.domain.readiness import InstanceStatus
from services.krane.backends.hosted.instance import HostedInstance
from services.krane.types import DeploymentSpec, DeploymentState, HostCredential, WorkloadStatus


class Wanted(StrEnum):
    """What its caller asked for last."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class DeploymentStore(Protocol):
    """Where a backend keeps one deployment over krane's own restarts."""

    async def want(self, wanted: Wanted) -> None:
        """Write down what is wanted, all at once. Raises Unavailable when it cannot be written now."""
        ...

    async def provide(self, credential: HostCredential | None) -> None:
        """See to it that instances can be made again. Raises PreconditionFailed when their image cannot be had."""
        ...

    async def forget(self) -> None:
        """Remove everything that is left of the deployment, except for its logs."""
        ...


class HostedDeployment:
    """Instances that do together what is wanted. What is wanted is written down before it is done."""

    def __init__(
        self, spec: DeploymentSpec, wanted: Wanted, store: DeploymentStore, instances: Sequence[HostedInstance]
    ) -> None:
        self.spec = spec
        self.wanted = wanted
        self._store = store
        self._instances = instances

    @property
    def state(self) -> DeploymentState:
        """How it is now."""
        return DeploymentState(
            namespace=self.spec.namespace,
            deployment_id=self.spec.deployment_id,
            image=self.spec.image,
            replicas=self.spec.run.replicas,
            status=self._status,
            instances=tuple(instance.report for instance in self._instances),
        )

    async def probe(self) -> DeploymentState:
        """How it is, with every running instance asked at this moment."""
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
        """Take over what an earlier krane left running."""
        for instance in self._instances:
            instance.adopt()

    async def settle(self) -> None:
        """Wait until it is known how the adopted instances are."""
        await asyncio.gather(*(instance.settle() for instance in self._instances))

    async def provide(self, credential: HostCredential | None) -> None:
        """Have what instances are made of, before they are started again."""
        await self._store.provide(credential)

    async def start(self) -> None:
        """Keep every instance running; those that failed are tried anew."""
        await self._want(Wanted.RUNNING)
        await asyncio.gather(*(instance.start() for instance in self._instances))

    async def stop(self) -> None:
        """End every instance; returns when none is left running."""
        await self._end(Wanted.STOPPED)

    async def delete(self) -> None:
        """End every instance and forget the deployment, except for its logs."""
        await self._end(Wanted.DELETED)
        await self._store.forget()

    async def release(self) -> None:
        """Stop looking after the instances and leave them as they are."""
        await asyncio.gather(*(instance.release() for instance in self._instances))

    async def _end(self, wanted: Wanted) -> None:
        await self._want(wanted)
        await asyncio.gather(*(instance.stop() for instance in self._instances))

    async def _want(self, wanted: Wanted) -> None:
        await self._store.want(wanted)
        self.wanted = wanted
