"""One deployment: what is wanted of it, kept on disk, and the instances that follow."""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import TypeAdapter

from services.domain.readiness import InstanceStatus
from services.krane.backends.process.files import Record
from services.krane.backends.process.instance import Instance
from services.krane.backends.process.start_command import AppConfig
from services.krane.types import DeploymentSpec, DeploymentState, DeploymentStatus


class Wanted(StrEnum):
    """What its caller asked for last."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """What is kept of a deployment."""

    spec: DeploymentSpec
    # Read from the image once, so that a deployment never changes.
    app: AppConfig
    wanted: Wanted


DEPLOYMENT_RECORD = TypeAdapter(DeploymentRecord)


class Deployment:
    """Instances that do together what is wanted. What is wanted is written down before it is done."""

    def __init__(self, record: DeploymentRecord, file: Record[DeploymentRecord], instances: list[Instance]) -> None:
        self._record = record
        self._file = file
        self.instances = instances

    @property
    def spec(self) -> DeploymentSpec:
        """What it runs."""
        return self._record.spec

    @property
    def wanted(self) -> Wanted:
        """What its caller asked for last."""
        return self._record.wanted

    @property
    def state(self) -> DeploymentState:
        """How it is now."""
        return DeploymentState(
            namespace=self.spec.namespace,
            deployment_id=self.spec.deployment_id,
            image=self.spec.image,
            replicas=self.spec.replicas,
            status=self._status,
            instances=tuple(instance.report for instance in self.instances),
        )

    async def probe(self) -> DeploymentState:
        """How it is, with every running instance asked at this moment."""
        reports = await asyncio.gather(*(instance.probe() for instance in self.instances))
        return replace(self.state, instances=tuple(reports))

    @property
    def _status(self) -> DeploymentStatus:
        statuses = {instance.report.status for instance in self.instances}
        if self.wanted is Wanted.DELETED:
            return DeploymentStatus.TERMINATING
        if self.wanted is Wanted.STOPPED:
            is_stopped = statuses <= {InstanceStatus.STOPPED}
            return DeploymentStatus.STOPPED if is_stopped else DeploymentStatus.TERMINATING
        return DeploymentStatus.RUNNING if statuses == {InstanceStatus.RUNNING} else DeploymentStatus.PENDING

    def adopt(self) -> None:
        """Take over what an earlier krane left running."""
        for instance in self.instances:
            instance.adopt()

    async def settle(self) -> None:
        """Wait until it is known how the adopted instances are."""
        await asyncio.gather(*(instance.settle() for instance in self.instances))

    async def start(self) -> None:
        """Keep every instance running; those that failed are tried anew."""
        await self._want(Wanted.RUNNING)
        for instance in self.instances:
            instance.start()

    async def stop(self, wanted: Wanted) -> None:
        """End every instance; returns when no process is left."""
        await self._want(wanted)
        await asyncio.gather(*(instance.stop() for instance in self.instances))

    async def release(self) -> None:
        """Stop looking after the instances and leave their processes as they are."""
        await asyncio.gather(*(instance.release() for instance in self.instances))

    async def _want(self, wanted: Wanted) -> None:
        self._record = replace(self._record, wanted=wanted)
        await asyncio.to_thread(self._file.write, self._record)
