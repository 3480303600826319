"""All deployments: create, get, list, stop, start, delete, logs.

Calls on one id follow one another. What a call began is finished even when its caller goes away, and what a killed
krane left half-done the next krane finishes: a deployment whose record says deleted is deleted, one that is wanted
running is taken over or started.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import assert_never

from services.domain.errors import Conflict, NotFound
from services.domain.readiness import InstanceStatus
from services.domain.variables import check_variables
from services.krane.backends.hosted.deployment import HostedDeployment, Wanted
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.log_lines import Place
from services.krane.backends.shared.operations import BackgroundOperations, until_done
from services.krane.checks import check_id, check_instance_id, check_spec
from services.krane.types import (
    DeploymentSpec,
    DeploymentState,
    FollowedLine,
    LogLine,
    LogQuery,
    RegistryCredential,
    WorkloadStatus,
    task_log_name,
)
from services.telemetry import get_logger

log = get_logger(__name__)

SETTLE_SECONDS = 2.0
# All lines of one answer together; gRPC takes messages of 4 MiB.
MAX_ANSWER_BYTES = 3 * 1024 * 1024


class HostedDeployments:
    """The deployments of one installation."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._locks = Locks()
        self._deployments: dict[str, HostedDeployment] = {}
        self._operations = BackgroundOperations()

    async def open(self) -> None:
        """Take over what an earlier krane left."""
        for deployment in await self._driver.recorded():
            self._take_over(deployment)
        await self._settle()

    async def close(self) -> None:
        """Leave every instance as it is."""
        await self._operations.close()
        await asyncio.gather(*(deployment.release() for deployment in self._deployments.values()))
        await self._driver.close()

    async def resolve(self, namespace: str, image: str, credential: RegistryCredential | None) -> str:
        """What an image means now, as a reference that stays. Raises Invalid, PreconditionFailed or Unavailable."""
        check_id("namespace", namespace)
        return await self._driver.resolve(image, credential)

    async def pull(self, namespace: str, image: str, credential: RegistryCredential | None) -> bool:
        """Whether an image is here; it is being fetched when it is not.

        Raises Invalid, PreconditionFailed or Unavailable.
        """
        check_id("namespace", namespace)
        return await self._driver.pull(image, credential)

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: RegistryCredential | None = None
    ) -> WorkloadStatus:
        """Start what the spec says with these environment variables, or find it started.

        Raises Invalid, Conflict (something else has the id) or PreconditionFailed (the image is not here).
        """
        check_spec(spec)
        check_variables(environment)
        return await self._operations.finish(self._create(spec, environment, credential))

    def get(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is. Raises NotFound."""
        return self._find(namespace, deployment_id).state

    async def probe(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is, with its instances asked at this moment. Raises NotFound."""
        return await self._find(namespace, deployment_id).probe()

    def in_namespace(self, namespace: str) -> list[DeploymentState]:
        """All deployments of a namespace, or of all namespaces when it is empty, by id."""
        states = [deployment.state for _, deployment in sorted(self._deployments.items())]
        return [state for state in states if namespace in ("", state.namespace)]

    def images(self) -> set[str]:
        """The images that deployments run or can be started again from."""
        return {deployment.spec.image for deployment in self._deployments.values()}

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """End the instances and keep what is needed to start them again. Raises NotFound."""
        await self._operations.finish(self._stop(namespace, deployment_id))

    async def start(self, namespace: str, deployment_id: str, credential: RegistryCredential | None = None) -> None:
        """Start what is stopped or failed; what runs is left as it is.

        Raises NotFound, and PreconditionFailed when its image is gone and cannot be had again.
        """
        await self._operations.finish(self._start(namespace, deployment_id, credential))

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """End the instances and forget the deployment, except for its logs. Succeeds when it is gone."""
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        await self._operations.finish(self._delete(namespace, deployment_id))

    async def logs(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        """The newest lines of one instance, or of each when it is empty; also after a delete. Raises NotFound."""
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        asked = [check_instance_id(deployment_id, instance_id)] if instance_id else []
        logged = self.logged(namespace, deployment_id)
        if not logged:
            # Raises NotFound when there is no deployment that might have logs one day.
            self._find(namespace, deployment_id)
        names = asked or logged
        return [
            LogLine(instance_id=name, text=text)
            for name in names
            for text in await self._driver.tail(namespace, deployment_id, name, lines, MAX_ANSWER_BYTES // len(names))
        ]

    def logged(self, namespace: str, deployment_id: str) -> list[str]:
        """The instances that may have logs, those whose logs were kept and those there are; first of all the task."""
        kept = self._driver.logged(namespace, deployment_id)
        with contextlib.suppress(NotFound):
            kept += [instance.id for instance in self._find(namespace, deployment_id).state.instances]
        return sorted({*kept}, key=lambda name: (name != task_log_name(deployment_id), name))

    def is_writing(self, namespace: str, deployment_id: str) -> bool:
        """Whether an instance runs or is going to, so that its log may grow."""
        try:
            instances = self._find(namespace, deployment_id).state.instances
        except NotFound:
            return False
        return any(instance.status not in (InstanceStatus.STOPPED, InstanceStatus.FAILED) for instance in instances)

    def follow_log(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """What is new in the log of one instance, until it is over. Raises Unavailable."""
        return self._driver.follow_log(query, instance_id, place, is_over)

    async def _create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: RegistryCredential | None
    ) -> WorkloadStatus:
        async with self._locks.of(spec.deployment_id):
            known = self._deployments.get(spec.deployment_id)
            if known is None:
                known = await self._begin(spec, environment, credential)
            elif known.spec != spec:
                raise Conflict(f"deployment {spec.deployment_id} exists and runs something else: use another id")
            return known.state.status

    async def _begin(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: RegistryCredential | None
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

    async def _start(self, namespace: str, deployment_id: str, credential: RegistryCredential | None) -> None:
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
        """Probe what was taken over before anybody is told how it is: it may have been healthy all along."""
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
