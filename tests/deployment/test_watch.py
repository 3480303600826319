"""The watch that keeps the records of instances up to date."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import cast

from services.db.engine import Database
from services.db.instances import list_instances, upsert_instances
from services.db.tables import Deployment
from services.deployment.watch import refresh_instances
from services.domain.readiness import InstanceState
from services.domain.status import DeploymentStatus
from services.krane.client import KraneClient
from services.krane.types import DeploymentState, InstanceReport, WorkloadStatus
from tests.builders import add_deployment, add_project, running


@dataclass
class Reports:
    """A krane that reports these instances, and during whose report something else may happen."""

    state: DeploymentState
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def list(self) -> tuple[DeploymentState, ...]:
        if self.meanwhile is not None:
            await self.meanwhile()
        return (self.state,)


async def ready_deployment(database: Database, *instances: InstanceState) -> Deployment:
    project = await add_project(database)
    deployment = await add_deployment(database, project.id, status=DeploymentStatus.READY, healthy=False)
    await record(database, deployment, *instances)
    return deployment


async def record(database: Database, deployment: Deployment, *instances: InstanceState) -> None:
    async with database.write() as session:
        await upsert_instances(session, deployment.id, instances)


async def healthy(database: Database, deployment: Deployment) -> list[bool]:
    async with database.read() as session:
        return [row.healthy for row in await list_instances(session, deployment.id)]


async def test_a_pass_records_what_krane_reports(database: Database) -> None:
    deployment = await ready_deployment(database, running("i_1"), running("i_2"))
    reported = state_of(deployment, running("i_1"), running("i_2", healthy=False))

    await refresh_instances(database, cast("KraneClient", Reports(reported)))

    assert await healthy(database, deployment) == [True, False]


async def test_a_report_does_not_undo_what_a_workflow_recorded_after_it(database: Database) -> None:
    """Otherwise a deployment that has just become live loses its instances in the gateways for one pass."""
    deployment = await ready_deployment(database)
    old = state_of(deployment, running("i_1"), running("i_2", healthy=False))

    async def record_newer() -> None:
        await record(database, deployment, running("i_1"), running("i_2"))

    await refresh_instances(database, cast("KraneClient", Reports(old, record_newer)))
    assert await healthy(database, deployment) == [True, True]

    new = state_of(deployment, running("i_1"), running("i_2", healthy=False))
    await refresh_instances(database, cast("KraneClient", Reports(new)))
    assert await healthy(database, deployment) == [True, False]


def state_of(deployment: Deployment, *instances: InstanceState) -> DeploymentState:
    """The report of krane on a deployment with these instances."""
    return DeploymentState(
        namespace=deployment.workspace_id,
        deployment_id=deployment.id,
        image="sha256:1",
        replicas=len(instances),
        status=WorkloadStatus.RUNNING,
        instances=tuple(InstanceReport(**asdict(instance)) for instance in instances),
    )
